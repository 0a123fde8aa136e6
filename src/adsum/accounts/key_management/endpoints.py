"""`/keys`: API keys of programs. Answers with secrets are not kept, so that no request takes an `Idempotency-Key`."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from adsum.accounts.access import Caller, Permission
from adsum.accounts.api_keys.rules import KeyEnded, TooManySecrets
from adsum.accounts.api_keys.service import ApiKeys
from adsum.accounts.authentication import require
from adsum.accounts.key_management.schemas import ChangedKeyBody, KeyItem, KeyWithSecret, NewKeyBody, RotationBody
from adsum.platform.errors import ConfirmationNeeded
from adsum.platform.http.dependencies import provided
from adsum.platform.http.documented_errors import raises
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.queries import SchoolQuery
from adsum.platform.http.schemas import Page, PathId

router = APIRouter(prefix="/keys", tags=["keys"], route_class=JsonRoute)
Manager = Annotated[Caller, Depends(require(Permission.KEY_MANAGE))]
KeyService = Annotated[ApiKeys, Depends(provided(ApiKeys))]
KeyId = Annotated[PathId, Path(alias="id")]


@router.get("", name="listKeys", summary="API keys")
async def list_keys(query: Annotated[SchoolQuery, Query()], api_keys: KeyService, caller: Manager) -> Page[KeyItem]:
    """The keys whose schools the caller sees, by id, on one page; revoked and expired ones, too. `schoolId` leaves out
    those of all schools.
    """
    keys = await api_keys.list_keys(caller, query.school_id)
    return Page(items=[KeyItem.of(key, api_keys.status_of(key)) for key in keys], next_cursor=None)


@router.post(
    "",
    name="createKey",
    summary="Create an API key",
    status_code=HTTPStatus.CREATED,
    responses=raises(ConfirmationNeeded),
)
async def create_key(body: NewKeyBody, api_keys: KeyService, caller: Manager) -> KeyWithSecret:
    """`secret` is shown only now. Nobody creates a key that can do more than they can: 403."""
    new = await api_keys.create(
        body.name,
        body.permissions,
        body.schools,
        owner=body.owner,
        expires_at=body.expires_at,
        networks=body.networks,
        caller=caller,
    )
    return KeyWithSecret.showing(new.key, api_keys.status_of(new.key), new.secret)


@router.get("/{id}", name="getKey", summary="An API key")
async def get_key(key_id: KeyId, api_keys: KeyService, caller: Manager) -> KeyItem:
    """One key, with its secrets that work and their last uses."""
    key = await api_keys.get(key_id, caller)
    return KeyItem.of(key, api_keys.status_of(key))


@router.patch("/{id}", name="changeKey", summary="Change an API key", responses=raises(ConfirmationNeeded, KeyEnded))
async def change_key(key_id: KeyId, body: ChangedKeyBody, api_keys: KeyService, caller: Manager) -> KeyItem:
    """Changes name, owner, expiry and networks. For other permissions or schools, create another key."""
    key = await api_keys.change(key_id, body.to_changes(), caller)
    return KeyItem.of(key, api_keys.status_of(key))


@router.post(
    "/{id}/rotate",
    name="rotateKey",
    summary="Rotate an API key",
    responses=raises(ConfirmationNeeded, KeyEnded, TooManySecrets),
)
async def rotate_key(key_id: KeyId, body: RotationBody, api_keys: KeyService, caller: Manager) -> KeyWithSecret:
    """Gives the key a new secret, which is shown only now. Earlier ones work until the overlap ends."""
    new = await api_keys.rotate(key_id, timedelta(seconds=body.overlap_seconds), caller)
    return KeyWithSecret.showing(new.key, api_keys.status_of(new.key), new.secret)


@router.delete("/{id}", name="revokeKey", summary="Revoke an API key", status_code=HTTPStatus.NO_CONTENT)
async def revoke_key(key_id: KeyId, api_keys: KeyService, caller: Manager) -> None:
    """Ends the key and all of its secrets for good. The key stays in the list. The webhooks whose `endsWithKeyId` it is
    stop.
    """
    await api_keys.revoke(key_id, caller)
