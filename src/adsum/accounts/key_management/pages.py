"""`/admin/keys`: API keys of programs. A secret is shown once, in the response that makes it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from adsum.accounts.access import Permission
from adsum.accounts.api_keys.rules import ApiKey, KeyChanges, KeyState, NewKey
from adsum.accounts.api_keys.service import ApiKeys
from adsum.accounts.rules import MAX_EMAIL
from adsum.accounts.service import Accounts
from adsum.accounts.visitors import Visitor, visitor_with
from adsum.platform.days import A_DAY
from adsum.platform.errors import AdsumError, ConfirmationNeeded, Forbidden
from adsum.platform.http.dependencies import CurrentSettings, Now, provided
from adsum.platform.http.schemas import PathId, PlainText
from adsum.platform.pages.fields import day_typed
from adsum.platform.pages.forms import WRONG, redirect_to, status_with
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.platform.settings import Settings
from adsum.platform.texts import list_key

PATH = "/admin/keys"
router = APIRouter(prefix=PATH, include_in_schema=False, route_class=PageRoute)

Manager = Annotated[Visitor, Depends(visitor_with(Permission.KEY_MANAGE))]
KeyService = Annotated[ApiKeys, Depends(provided(ApiKeys))]
KeyId = Annotated[PathId, Path(alias="id")]
Text = Annotated[PlainText, Field(max_length=1_000)]
# The overlaps that the page offers, in days.
OVERLAPS = (0, 1, 7, 30)
REFUSED = (*WRONG, Forbidden)


class KeyForm(BaseModel):
    """The fields of a key that can be changed."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    name: Text = ""
    owner: Annotated[PlainText, Field(max_length=MAX_EMAIL)] = ""
    last_day: Annotated[str, Field(max_length=40, alias="lastDay")] = ""
    networks: Annotated[PlainText, Field(max_length=10_000)] = ""

    @property
    def expires_at(self) -> datetime | None:
        """The end of the last day, in UTC: a key has no school with a time zone."""
        day = day_typed(self.last_day, "/lastDay") if self.last_day else None
        return None if day is None else datetime.combine(day, time(), UTC) + A_DAY

    @property
    def listed_networks(self) -> list[str] | None:
        return [part for part in re.split(r"[\s,;]+", self.networks) if part] or None


class NewKeyForm(KeyForm):
    """The form for a new key."""

    permission: list[Permission] = []
    scope: Text = "all"
    school: list[PathId] = []

    @property
    def schools(self) -> list[int] | None:
        return None if self.scope == "all" else self.school


@router.get("")
async def keys(
    request: Request,
    api_keys: KeyService,
    accounts: Annotated[Accounts, Depends(provided(Accounts))],
    settings: CurrentSettings,
    visitor: Manager,
    now: Now,
) -> Response:
    """The keys, those that work first, and the form for a new one."""
    owner = (await accounts.own_user(visitor.caller)).email
    return await _list(request, api_keys, settings, visitor, now, form=NewKeyForm(owner=owner))


@router.post("")
async def create_key(
    request: Request,
    api_keys: KeyService,
    settings: CurrentSettings,
    visitor: Manager,
    now: Now,
    form: Annotated[NewKeyForm, Form()],
) -> Response:
    """Creates a key and shows its secret once; the response is not a redirect, so that no address shows it."""
    try:
        new = await api_keys.create(
            form.name,
            form.permission,
            form.schools,
            owner=form.owner.strip() or None,
            expires_at=form.expires_at,
            networks=form.listed_networks,
            caller=visitor.caller,
        )
    except ConfirmationNeeded:
        raise
    except REFUSED as error:
        return await _list(request, api_keys, settings, visitor, now, form=form, error=error)
    return await _key(request, api_keys, visitor, now, new.key, new=new)


@router.get("/{id}")
async def key(request: Request, key_id: KeyId, api_keys: KeyService, visitor: Manager, now: Now) -> Response:
    """One key, its secrets, and what can be done with it."""
    return await _key(request, api_keys, visitor, now, await api_keys.get(key_id, visitor.caller))


@router.post("/{id}")
async def change_key(
    request: Request,
    key_id: KeyId,
    api_keys: KeyService,
    visitor: Manager,
    now: Now,
    form: Annotated[KeyForm, Form()],
) -> Response:
    """Changes a key. Fields that were not edited stay, also if their values are no longer valid: an owner who left."""
    found = await api_keys.get(key_id, visitor.caller)
    stored = _stored(found)
    changes = KeyChanges(name=form.name)
    try:
        if form.owner.strip() != stored.owner:
            changes["owner"] = form.owner
        if form.last_day != stored.last_day:
            changes["expires_at"] = form.expires_at
        if form.listed_networks != stored.listed_networks:
            changes["networks"] = form.listed_networks
        await api_keys.change(key_id, changes, visitor.caller)
    except ConfirmationNeeded:
        raise
    except REFUSED as error:
        return await _key(request, api_keys, visitor, now, found, form=form, error=error)
    return redirect_to(f"{PATH}/{key_id}")


@router.post("/{id}/rotate")
async def rotate_key(
    request: Request,
    key_id: KeyId,
    api_keys: KeyService,
    visitor: Manager,
    now: Now,
    overlap: Annotated[int, Form(ge=0, le=max(OVERLAPS))] = 1,
) -> Response:
    """Makes a new secret and shows it once."""
    try:
        new = await api_keys.rotate(key_id, timedelta(days=overlap), visitor.caller)
    except ConfirmationNeeded:
        raise
    except REFUSED as error:
        found = await api_keys.get(key_id, visitor.caller)
        return await _key(request, api_keys, visitor, now, found, error=error)
    return await _key(request, api_keys, visitor, now, new.key, new=new)


@router.post("/{id}/revoke")
async def revoke_key(key_id: KeyId, api_keys: KeyService, visitor: Manager) -> Response:
    """Revokes a key."""
    await api_keys.revoke(key_id, visitor.caller)
    return redirect_to(f"{PATH}/{key_id}")


def _stored(found: ApiKey) -> KeyForm:
    # A key expires at the end of its last day.
    last = None if found.expires_at is None else found.expires_at - timedelta(microseconds=1)
    return KeyForm(
        name=found.name,
        owner="" if found.owner is None else found.owner.email or "",
        last_day="" if last is None else last.date().isoformat(),
        networks="\n".join(found.networks or ()),
    )


async def _list(
    request: Request,
    api_keys: ApiKeys,
    settings: Settings,
    visitor: Visitor,
    now: datetime,
    *,
    form: NewKeyForm,
    error: AdsumError | None = None,
) -> Response:
    found = await api_keys.list_keys(visitor.caller)
    listed = [(each, api_keys.status_of(each)) for each in found]
    latest = None if not settings.key_max_days else (now + timedelta(days=settings.key_max_days - 1)).date()
    return site_of(request).page(
        request,
        "admin/keys.html",
        status=status_with(error),
        visitor=visitor,
        keys=sorted(listed, key=lambda each: (each[1].state is not KeyState.ACTIVE, list_key(each[0].name))),
        permissions=[each for each in Permission if visitor.caller.may(each)],
        schools=await api_keys.schools_of(visitor.caller),
        sees_all=visitor.caller.schools is None,
        latest=latest,
        now=now,
        form=form,
        error=error,
    )


async def _key(
    request: Request,
    api_keys: ApiKeys,
    visitor: Visitor,
    now: datetime,
    found: ApiKey,
    *,
    new: NewKey | None = None,
    form: KeyForm | None = None,
    error: AdsumError | None = None,
) -> Response:
    return site_of(request).page(
        request,
        "admin/key.html",
        status=status_with(error),
        visitor=visitor,
        key=found,
        key_status=api_keys.status_of(found),
        schools=await api_keys.schools_of(visitor.caller),
        may_change=visitor.caller.may_grant(found.permissions, found.schools),
        overlaps=OVERLAPS,
        new=new,
        now=now,
        form=form or _stored(found),
        error=error,
    )
