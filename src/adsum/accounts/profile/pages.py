"""`/account`: the name of the visitor, the language and the keys of their pages, and the way to their password and
factors.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response

from adsum.accounts.names import MAX_NAME, NameChange
from adsum.accounts.profile.rules import ProfileChange, changed_name
from adsum.accounts.profile.service import Profiles
from adsum.accounts.visitors import Visitor, signed_in
from adsum.platform.errors import AdsumError
from adsum.platform.http.cookies import A_YEAR_S, delete_cookie, set_cookie
from adsum.platform.http.dependencies import provided, services_of
from adsum.platform.http.schemas import PlainText
from adsum.platform.pages.forms import WRONG, redirect_to, status_with
from adsum.platform.pages.languages import COOKIE
from adsum.platform.pages.rendering import NO_SINGLE_KEYS, site_of
from adsum.platform.pages.routing import PageRoute

router = APIRouter(include_in_schema=False, route_class=PageRoute)

PROFILE = "/account"
ProfilesService = Annotated[Profiles, Depends(provided(Profiles))]
SignedIn = Annotated[Visitor, Depends(signed_in)]
Typed = Annotated[PlainText, Form(max_length=2 * MAX_NAME)]


@router.get(PROFILE)
async def profile_page(
    request: Request, profiles: ProfilesService, visitor: SignedIn, *, saved: bool = False
) -> Response:
    """The profile of the visitor. `saved`: they have changed it."""
    return await _page(request, profiles, visitor, saved=saved)


@router.post(PROFILE)
async def change_profile(
    request: Request,
    profiles: ProfilesService,
    visitor: SignedIn,
    given_name: Annotated[Typed | None, Form(alias="givenName")] = None,
    family_name: Annotated[Typed | None, Form(alias="familyName")] = None,
    language: Typed = "",
) -> Response:
    """Changes name and language. An empty language is that of the browser, also if another was chosen in it before."""
    change = ProfileChange(language=language or None)
    name = NameChange.of(given_name, family_name)
    if name is not None:
        change["name"] = name
    try:
        await profiles.change(change, visitor.caller)
    except WRONG as error:
        return await _page(request, profiles, visitor, typed=change, error=error)
    response = redirect_to(f"{PROFILE}?saved=true")
    delete_cookie(request, response, COOKIE)
    return response


@router.post(f"{PROFILE}/keys", dependencies=[Depends(signed_in)])
async def choose_keys(request: Request, *, single: Annotated[bool, Form()] = False) -> Response:
    """Turns the shortcuts of single keys on or off, in this browser."""
    response = redirect_to(f"{PROFILE}?saved=true")
    if single:
        delete_cookie(request, response, NO_SINGLE_KEYS)
    else:
        set_cookie(request, response, NO_SINGLE_KEYS, "true", A_YEAR_S)
    return response


async def _page(
    request: Request,
    profiles: Profiles,
    visitor: Visitor,
    *,
    typed: ProfileChange | None = None,
    error: AdsumError | None = None,
    saved: bool = False,
) -> Response:
    profile = await profiles.find(visitor.caller)
    return site_of(request).page(
        *(request, "profile.html"),
        status=status_with(error),
        visitor=visitor,
        profile=profile,
        name=changed_name(typed or {}, profile),
        chosen=(typed or {}).get("language", profile.language),
        most=MAX_NAME,
        passwords=services_of(request).settings.password_sign_in,
        error=error,
        is_saved=saved,
    )
