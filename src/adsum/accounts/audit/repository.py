"""Statements on the audit log: `record`, which every action calls that is recorded, and those on the chain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, exists, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.audit.chain import START, Chain, Columns, Link
from adsum.accounts.audit.rules import SYSTEM, Action, Details, canonical_json
from adsum.accounts.audit.tables import audit_chain, audit_entries
from adsum.accounts.tables import users
from adsum.platform.database.sql_files import sql_file
from adsum.platform.origin import ORIGIN

_INSERT_ENTRY = sql_file("adsum.accounts.audit", "insert_entry")
_ADD_CHAIN = sql_file("adsum.accounts.audit", "add_chain")
_UNSEALED = sql_file("adsum.accounts.audit", "unsealed_entries")
_SEALED = sql_file("adsum.accounts.audit", "sealed_entries")
# Other numbers of such locks: `schools/locks.py` and `platform/database/schema.py`.
_ACTING = 0x_AD5_0004
_LOCK_ACTING = text("SELECT pg_advisory_xact_lock(:number)")
# In the order of these two statements. The names are part of the hashes: none may change.
COLUMNS = (
    *("id", "created_at", "action", "caller_role", "caller_user_id", "caller_key_id", "os_user", "address"),
    *("request_id", "agent", "school_id", "student_id", "user_id", "key_id", "before", "after"),
)


async def record(  # noqa: PLR0913 - the parts of an entry
    connection: AsyncConnection,
    caller: Caller | None,
    action: Action,
    *,
    school_id: int | None = None,
    student_id: int | None = None,
    user_id: int | None = None,
    key_id: int | None = None,
    before: Details | None = None,
    after: Details | None = None,
) -> None:
    """Records an action in its own transaction, so that both are stored or neither. It waits for no other transaction.

    Args:
        connection: with the transaction of the action.
        caller: who acts; `system_caller()` for the command line and the library; None: nobody has signed in.
        action: what they do.
        school_id: the school that the action is about; None: all schools, or none.
        student_id: the student that it is about.
        user_id: the user that it is about.
        key_id: the API key that it is about.
        before: the changed values before.
        after: the changed values after, or the extent of the action. See `Details` for what neither may contain.
    """
    origin = ORIGIN.get()
    values = {
        "action": action.value,
        "caller_role": _role_of(caller),
        "caller_user_id": None if caller is None else caller.user_id,
        "caller_key_id": None if caller is None else caller.key_id,
        "os_user": origin.os_user,
        "address": origin.address,
        "request_id": origin.request_id,
        "agent": origin.agent,
        "school_id": school_id,
        "student_id": student_id,
        "user_id": user_id,
        "key_id": key_id,
        "before": canonical_json(before),
        "after": canonical_json(after),
    }
    await _INSERT_ENTRY.fetch_all(connection, values)


async def record_about_user(
    connection: AsyncConnection,
    caller: Caller | None,
    action: Action,
    user_id: int,
    *,
    before: Details | None = None,
    after: Details | None = None,
) -> None:
    """Records an action about a user, in the log of their school."""
    school_id = await connection.scalar(select(users.c.school_id).where(users.c.id == user_id))
    await record(connection, caller, action, school_id=school_id, user_id=user_id, before=before, after=after)


def _role_of(caller: Caller | None) -> str | None:
    if caller is None:
        return None
    return SYSTEM if caller.user_id is None and caller.key_id is None else caller.role.value


async def lock_acting(connection: AsyncConnection) -> None:
    """Lets one transaction at a time record that a key has acted for somebody. No request waits for it."""
    if connection.dialect.name == "postgresql":
        await connection.execute(_LOCK_ACTING, {"number": _ACTING})


async def pairs_recorded_since(
    connection: AsyncConnection, action: Action, begin: datetime
) -> set[tuple[int | None, int | None]]:
    """The keys and users that have recorded an action together since a time."""
    c = audit_entries.c
    query = select(c.caller_key_id, c.caller_user_id).where(c.action == action.value, c.created_at >= begin)
    return {(row[0], row[1]) for row in await connection.execute(query)}


async def lock_chain(connection: AsyncConnection) -> Chain:
    """The state of the chain, locked, so that one transaction at a time seals or prunes."""
    chain = await _read_chain(connection, locking=True)
    if chain is None:
        await _ADD_CHAIN.fetch_all(connection, {"hash": START.hash})
        chain = await _read_chain(connection, locking=True)
    assert chain is not None
    return chain


async def read_chain(connection: AsyncConnection) -> Chain:
    """The state of the chain. Before the first entry is sealed there is no row."""
    return await _read_chain(connection, locking=False) or Chain()


async def _read_chain(connection: AsyncConnection, *, locking: bool) -> Chain | None:
    c = audit_chain.c
    links = (c.position, c.hash, c.signature, c.pruned_position, c.pruned_hash, c.pruned_signature, c.logged_position)
    query = select(*links)
    row = (await connection.execute(query.with_for_update() if locking else query)).one_or_none()
    if row is None:
        return None
    return Chain(Link(row[0], row[1]), row[2], Link(row[3], row[4]), row[5], row[6])


async def has_unsealed(connection: AsyncConnection) -> bool:
    """Whether an entry is not sealed."""
    unsealed = exists().where(audit_entries.c.position.is_(None))
    return bool(await connection.scalar(select(unsealed)))


async def unsealed_entries(connection: AsyncConnection, limit: int) -> list[tuple[int, Columns]]:
    """The oldest entries that are not sealed, by id."""
    rows = await _UNSEALED.fetch_all(connection, {"limit": limit})
    return [(int(row[0]), dict(zip(COLUMNS, row, strict=True))) for row in rows]


async def sealed_entries(
    connection: AsyncConnection, after: int, limit: int
) -> list[tuple[str | None, str | None, Columns]]:
    """A page of entries with their positions and hashes. The position is text, too: it may have been tampered with."""
    rows = await _SEALED.fetch_all(connection, {"after": after, "limit": limit})
    return [(row[0], row[1], dict(zip(COLUMNS, row[2:], strict=True))) for row in rows]


async def count_sealed(connection: AsyncConnection) -> int:
    """The number of sealed entries."""
    c = audit_entries.c
    return int(await connection.scalar(select(func.count()).where(c.position.is_not(None))) or 0)


async def seal_entries(connection: AsyncConnection, links: Sequence[tuple[int, Link]]) -> None:
    """Gives entries, by id, their links."""
    one = update(audit_entries).where(audit_entries.c.id == bindparam("of_id"))
    values = [{"of_id": entry_id, "position": link.position, "hash": link.hash} for entry_id, link in links]
    await connection.execute(one.values(position=bindparam("position"), hash=bindparam("hash")), values)


async def set_chain(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    """Changes the state of the chain. The caller has locked it."""
    await connection.execute(update(audit_chain).values(dict(values)))


async def note_logged(connection: AsyncConnection, position: int) -> None:
    """Notes that the entries up to this one are in the log of the process."""
    c = audit_chain.c
    await connection.execute(update(audit_chain).where(c.logged_position < position).values(logged_position=position))


async def time_of_position(connection: AsyncConnection, position: int) -> datetime | None:
    """The time of a sealed entry; None: there is none at this position."""
    c = audit_entries.c
    found: datetime | None = await connection.scalar(select(c.created_at).where(c.position == position))
    return found


async def oldest_unsealed(connection: AsyncConnection) -> tuple[int, datetime | None]:
    """The number of entries that are not sealed, and the time of the oldest."""
    c = audit_entries.c
    row = (await connection.execute(select(func.count(), func.min(c.created_at)).where(c.position.is_(None)))).one()
    return int(row[0]), row[1]


async def oldest_entries(connection: AsyncConnection, after: int, limit: int) -> list[tuple[Link, datetime]]:
    """The first sealed entries after a position, with the time of each."""
    c = audit_entries.c
    query = select(c.position, c.hash, c.created_at).where(c.position > after).order_by(c.position).limit(limit)
    return [(Link(row[0], row[1]), row[2]) for row in await connection.execute(query)]


async def delete_pruned(connection: AsyncConnection, position: int) -> None:
    """Deletes the entries up to a position. The database refuses it unless the chain is pruned up to there."""
    await connection.execute(delete(audit_entries).where(audit_entries.c.position <= position))
