"""The locks of a transaction that changes a roster or what is derived from it, in the order in which they are taken.

`docs/locks.md` has the order of all locks. SQLite has one writer, so these functions have no effect there.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.schools.tables import schools

# One number names an advisory lock of Postgres, or two: the first one is then the kind of lock.
_IMPORTS = 0x_AD5_0002
_ROSTERS = 0x_AD5_0003
_LOCKS_OF_ROSTERS = 512
_LOCK_IMPORTS = text("SELECT pg_advisory_xact_lock(:number)")
_TRY_LOCK_IMPORTS = text("SELECT pg_try_advisory_xact_lock(:number)")
_LOCK_ROSTER = text("SELECT pg_advisory_xact_lock(:kind, :number)")


async def lock_imports(connection: AsyncConnection) -> None:
    """Waits until no import runs, and lets none begin until the transaction ends."""
    if connection.dialect.name == "postgresql":
        await connection.execute(_LOCK_IMPORTS, {"number": _IMPORTS})


async def lock_rosters(connection: AsyncConnection, school_ids: Collection[int]) -> None:
    """Waits until no import and no request by source id changes the rosters of these schools, and locks them.

    A transaction that locks a school and then a row of its roster takes this lock before both: an import writes rows
    for minutes, and locks most of its schools last. Only an import takes several of these locks, since only one import
    runs at a time; it may take more of them after it has written rows.

    Schools may share a lock, because Postgres keeps a limited number.
    """
    if connection.dialect.name == "postgresql":
        for number in sorted({school_id % _LOCKS_OF_ROSTERS for school_id in school_ids}):
            await connection.execute(_LOCK_ROSTER, {"kind": _ROSTERS, "number": number})


async def lock_school(connection: AsyncConnection, school_id: int) -> None:
    """Locks a school until the transaction ends. Changes of its settings, statuses, calendar and summaries take this
    lock. Rows that reference the school are inserted meanwhile.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(select(schools.c.id).where(schools.c.id == school_id).with_for_update(key_share=True))


async def try_lock_imports(connection: AsyncConnection) -> bool:
    """As `lock_imports`, without waiting. False: an import, an erasure or a merge is under way."""
    if connection.dialect.name != "postgresql":
        return True
    return bool(await connection.scalar(_TRY_LOCK_IMPORTS, {"number": _IMPORTS}))
