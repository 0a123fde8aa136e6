"""The statuses of schools: the table holds only those that differ from the defaults."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

from sqlalchemy import Row, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_school
from adsum.attendance.statuses.rules import DEFAULTS, CountsAs, SchoolStatuses, Status, StatusFlag
from adsum.attendance.tables import statuses
from adsum.schools.tables import schools


async def find_statuses(connection: AsyncConnection, school_ids: Collection[int]) -> dict[int, SchoolStatuses]:
    """The statuses of each of these schools."""
    own: defaultdict[int, list[Status]] = defaultdict(list)
    letters: dict[int, str | None] = {}
    statement = (
        select(schools.c.id.label("of_school"), schools.c.default_letters, statuses)
        .outerjoin(statuses, statuses.c.school_id == schools.c.id)
        .where(schools.c.id.in_(sorted(school_ids)))
    )
    for row in await connection.execute(statement):
        letters[row.of_school] = row.default_letters
        if row.code is not None:
            own[row.of_school].append(_status(row))
    return {school_id: SchoolStatuses(own[school_id], letters.get(school_id)) for school_id in school_ids}


async def statuses_of_school(connection: AsyncConnection, school_id: int) -> SchoolStatuses:
    """The statuses of one school."""
    return (await find_statuses(connection, [school_id]))[school_id]


async def visible_codes(connection: AsyncConnection, caller: Caller) -> set[str]:
    """The codes of all visible schools, including retired ones."""
    own = select(statuses.c.code).where(in_visible_school(caller, statuses.c.school_id)).distinct()
    return {status.code for status in DEFAULTS} | set(await connection.scalars(own))


async def set_status(connection: AsyncConnection, school_id: int, status: Status) -> None:
    """Adds a status to a school, or replaces the one with this code."""
    of_code = statuses.c.school_id == school_id, statuses.c.code == status.code
    await connection.execute(delete(statuses).where(*of_code))
    await connection.execute(
        insert(statuses).values(
            school_id=school_id,
            code=status.code,
            label=status.label,
            letter=status.letter,
            counts_as=status.counts_as,
            flags=sorted(status.flags),
            position=status.position,
            retired_at=status.retired_at,
        )
    )


def _status(row: Row[*tuple[Any, ...]]) -> Status:
    return Status(
        code=row.code,
        label=row.label,
        letter=row.letter,
        counts_as=CountsAs(row.counts_as),
        flags=frozenset(map(StatusFlag, row.flags)),
        position=row.position,
        retired_at=row.retired_at,
    )
