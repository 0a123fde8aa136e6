"""The checks of API keys: of callers who see a key or grant its permissions, and of its owner."""

from __future__ import annotations

from collections.abc import Sequence

from adsum.accounts.access import Caller, Permission
from adsum.accounts.api_keys.repository import StoredKey
from adsum.accounts.repository import keep_user, user_of_email, users_of_ids
from adsum.accounts.rules import may_be_email, normalised_email
from adsum.platform.database.engine import Connection
from adsum.platform.errors import Forbidden, NotFound, Violation


def sees_key(caller: Caller, row: StoredKey) -> bool:
    """Whether the caller may list and revoke the key."""
    return caller.may_grant((), row.schools)


def require_key(row: StoredKey | None, key_id: int, caller: Caller) -> StoredKey:
    """The key. Raises NotFound: there is none, or the caller does not see it."""
    if row is None or not sees_key(caller, row):
        raise NotFound(f"there is no key {key_id}", id=key_id)
    return row


def require_may_grant(caller: Caller, permissions: Sequence[Permission], schools: Sequence[int] | None) -> None:
    """Raises Forbidden: the caller lacks one of these permissions, or one of these schools."""
    if not caller.may_grant(permissions, schools):
        lacking = [permission.value for permission in permissions if not caller.may(permission)]
        what = f"the permissions {', '.join(lacking)}" if lacking else "the schools of this key"
        raise Forbidden(f"nobody grants a key more than they have: you lack {what}", permissions=lacking)


async def find_owner(connection: Connection, caller: Caller, who: int | str) -> int | None:
    """The enabled user with this id or email, if the caller may make them the owner of a key.

    They are not erased until the transaction ends.
    """
    if isinstance(who, int):
        await keep_user(connection, who)
        user = (await users_of_ids(connection, [who])).get(who)
    else:
        name = normalised_email(who)
        user = await user_of_email(connection, name, keep=True) if may_be_email(name) else None
    if user is None or user.email is None or user.disabled:
        return None
    is_visible = caller.schools is None or user.school_id in caller.schools or user.id == caller.user_id
    return user.id if is_visible else None


def unknown_owner(who: int | str, pointer: str, kind: str = "enabled user") -> Violation:
    """The violation for an owner whom `find_owner` does not find."""
    named = f"the id {who}" if isinstance(who, int) else f"the email {who[:80]!r}"
    return Violation("unknown_person", f"no {kind} has {named}", pointer)
