"""The sessions and students of a school that a file may name, as far as the caller sees them."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_class, in_visible_school
from adsum.roster.naming.rules import NamedSession, NamedStudent
from adsum.roster.repository.membership import student_names
from adsum.roster.repository.students import ever_taught
from adsum.roster.tables import classes, sessions, students

# Both databases limit the parameters of a statement.
_IDS_AT_ONCE = 10_000


async def visible_sessions(
    connection: AsyncConnection, caller: Caller, school_id: int, *, active: bool = False
) -> list[NamedSession]:
    """The sessions of all classes that the caller sees on any day.

    `active`: without sessions that have ended, and those of classes that have.
    """
    c, s = classes.c, sessions.c
    statement = (
        select(s.id, s.period, s.source_id, c.id, c.source_id)
        .join(classes, c.id == s.class_id)
        .where(c.school_id == school_id, in_visible_class(caller, c.id, None))
    )
    if active:
        statement = statement.where(c.active, s.active)
    return [NamedSession(*row) for row in await connection.execute(statement)]


async def visible_students(connection: AsyncConnection, caller: Caller, school_id: int) -> list[NamedStudent]:
    """The students of a school whom the caller sees, as in `find_student`.

    A student is listed again under the source id of each record of the school that was merged into theirs.
    """
    # The last student of a source id is the one whom the file names: one of the school, not of another home school.
    n = student_names.c
    found = (
        select(n.student_id, n.source_id)
        .join(students, students.c.id == n.row_id)
        .where(n.school_id == school_id)
        .order_by(n.is_home, n.row_id)
    )
    if caller.teaches_only:
        found = found.where(ever_taught(caller))
    return [NamedStudent(*row) for row in await connection.execute(found)]


async def schools_of_classes(connection: AsyncConnection, caller: Caller, class_ids: Collection[int]) -> dict[int, int]:
    """The school of each class that the caller sees on any day."""
    c = classes.c
    found: dict[int, int] = {}
    ordered = sorted(class_ids)
    for start in range(0, len(ordered), _IDS_AT_ONCE):
        some = ordered[start : start + _IDS_AT_ONCE]
        statement = select(c.id, c.school_id).where(
            c.id.in_(some), in_visible_school(caller, c.school_id), in_visible_class(caller, c.id, None)
        )
        found |= {row.id: row.school_id for row in await connection.execute(statement)}
    return found
