"""The sessions and students of a school that a file may name, as far as the caller sees them."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_class
from adsum.roster.naming.rules import NamedSession, NamedStudent
from adsum.roster.repository.membership import student_in_school
from adsum.roster.repository.students import ever_taught
from adsum.roster.tables import classes, sessions, students


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
    """The students of a school whom the caller sees, as in `find_student`."""
    statement = select(students.c.id, students.c.source_id).where(student_in_school(school_id))
    # The last student of a source id is the one whom the file names: one of the school, not of another home school.
    statement = statement.order_by(students.c.school_id == school_id, students.c.id)
    if caller.teaches_only:
        statement = statement.where(ever_taught(caller))
    return [NamedStudent(*row) for row in await connection.execute(statement)]
