"""The sessions and students of a school that a file of marks may name, as far as the caller sees them."""

from __future__ import annotations

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_class
from adsum.batches.marks_import.rules import NamedSession, NamedStudent
from adsum.roster.tables import classes, enrolments, sessions, students


async def visible_sessions(connection: AsyncConnection, caller: Caller, school_id: int) -> list[NamedSession]:
    """The sessions of all classes that the caller sees on any day, including sessions that have ended."""
    statement = (
        select(sessions.c.id, sessions.c.period, classes.c.id, classes.c.source_id)
        .join(classes, classes.c.id == sessions.c.class_id)
        .where(classes.c.school_id == school_id, in_visible_class(caller, classes.c.id, None))
    )
    return [NamedSession(*row) for row in await connection.execute(statement)]


async def visible_students(connection: AsyncConnection, caller: Caller, school_id: int) -> list[NamedStudent]:
    """The students of a school. A teacher sees students with an enrolment, on any day, in a class that they teach."""
    statement = select(students.c.id, students.c.source_id).where(students.c.school_id == school_id)
    if caller.teaches_only:
        enrolled = select(enrolments.c.id).where(
            enrolments.c.student_id == students.c.id, in_visible_class(caller, enrolments.c.class_id, None)
        )
        statement = statement.where(exists(enrolled))
    return [NamedStudent(*row) for row in await connection.execute(statement)]
