"""`/auth/profile`: the name of the caller, and the language of their pages."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from adsum.accounts.access import Caller
from adsum.accounts.authentication import authenticated
from adsum.accounts.names import NameOfRoster
from adsum.accounts.profile.schemas import ChangeProfile, ProfileItem
from adsum.accounts.profile.service import Profiles
from adsum.platform.http.dependencies import provided
from adsum.platform.http.documented_errors import raises
from adsum.platform.http.json_bodies import JsonRoute

router = APIRouter(tags=["authentication"], route_class=JsonRoute)
ProfilesService = Annotated[Profiles, Depends(provided(Profiles))]
Authenticated = Annotated[Caller, Depends(authenticated)]


@router.get("/auth/profile", name="getProfile", summary="Your profile")
async def get_profile(profiles: ProfilesService, caller: Authenticated) -> ProfileItem:
    """The user of the token. 403 for an API key."""
    return ProfileItem.of(await profiles.find(caller))


@router.patch(
    "/auth/profile", name="changeProfile", summary="Change your name or language", responses=raises(NameOfRoster)
)
async def change_profile(body: ChangeProfile, profiles: ProfilesService, caller: Authenticated) -> ProfileItem:
    """409 `name_of_roster` for the name of a person of the roster. The language is that of the pages."""
    return ProfileItem.of(await profiles.change(body.to_change(), caller))
