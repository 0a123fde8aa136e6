"""The API keys of an owner who is erased: they are revoked, or handed over to another user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.api_keys import repository as statements
from adsum.accounts.api_keys.access import find_owner, require_may_grant, sees_key, unknown_owner
from adsum.accounts.api_keys.repository import StoredKey
from adsum.accounts.api_keys.rules import ApiKey
from adsum.accounts.api_keys.service import key_of_row
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.platform.database.engine import Connection
from adsum.platform.errors import Conflict, Forbidden, Violation, refuse


class OwnsKeys(Conflict):
    """The user owns API keys, and nobody has said what becomes of them."""

    code = "owns_api_keys"


@dataclass(frozen=True, slots=True)
class KeyChoice:
    """The choice for the API keys of an owner: at most one of both. Neither: the owner has to own none.

    `new_owner` is the id or the email of the user who gets them.
    """

    revoke: bool = False
    new_owner: int | str | None = None


NO_CHOICE = KeyChoice()


async def owned_keys(connection: Connection, owner_id: int, now: datetime, *, locked: bool = False) -> list[ApiKey]:
    """The keys of a user that are not revoked, by id; expired ones too, which could be extended.

    `locked`: until the end of the transaction nobody else changes them.
    """
    return [key_of_row(row, now) for row in await statements.keys_of_owner(connection, owner_id, locked=locked)]


async def release_keys(
    connection: Connection, owner_id: int, choice: KeyChoice, caller: Caller, now: datetime
) -> list[ApiKey]:
    """Revokes the keys of an owner, or hands them over, and records each. Returns them as they were.

    Raises:
        OwnsKeys: there are keys, and no choice.
        Forbidden: without `key:manage`; a key is of a school that the caller does not see, or, to hand it over, can do
            what they may not.
        Invalid: two choices; the new owner is the owner, or no enabled user whom the caller sees.
    """
    if choice.revoke and choice.new_owner is not None:
        detail = "the keys are either revoked or handed over: choose one"
        refuse([Violation("invalid_value", detail, "/newOwner")])
    rows = await statements.keys_of_owner(connection, owner_id, locked=True)
    keys = [key_of_row(row, now) for row in rows]
    if not keys:
        return []
    if choice == NO_CHOICE:
        raise _unclear(keys)
    require_permission(caller, Permission.KEY_MANAGE)
    _require_all_visible(rows, caller)
    if choice.new_owner is None:
        await _revoke(connection, keys, caller, now)
    else:
        await _hand_over(connection, keys, owner_id, choice.new_owner, caller)
    return keys


def _unclear(keys: Sequence[ApiKey]) -> OwnsKeys:
    owned, them = ("an API key", "it") if len(keys) == 1 else (f"{len(keys)} API keys", "them")
    detail = f"this user owns {owned}: revoke {them}, or name another owner"
    return OwnsKeys(detail, [Violation(OwnsKeys.code, detail, params={"keyId": key.id}) for key in keys])


def _require_all_visible(rows: Sequence[StoredKey], caller: Caller) -> None:
    if not all(sees_key(caller, row) for row in rows):
        raise Forbidden("this user owns API keys of other schools: this needs the rights of all of them")


async def _revoke(connection: Connection, keys: Sequence[ApiKey], caller: Caller, now: datetime) -> None:
    for key in keys:
        await statements.revoke_key(connection, key.id, now)
        await record(connection, caller, Action.KEY_REVOKED, school_id=key.only_school, key_id=key.id)


async def _hand_over(
    connection: Connection, keys: Sequence[ApiKey], owner_id: int, new_owner: int | str, caller: Caller
) -> None:
    for key in keys:
        require_may_grant(caller, key.permissions, key.schools)
    new_id = await find_owner(connection, caller, new_owner)
    if new_id is None or new_id == owner_id:
        refuse([unknown_owner(new_owner, "/newOwner", "other enabled user")])
    assert new_id is not None, "an unknown owner is a violation"
    await statements.set_owner(connection, [key.id for key in keys], new_id)
    for key in keys:
        await record(
            *(connection, caller, Action.KEY_CHANGED),
            school_id=key.only_school,
            user_id=new_id,
            key_id=key.id,
            before={"ownerId": owner_id},
            after={"ownerId": new_id},
        )
