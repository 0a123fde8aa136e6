"""What a file of marks may call the sessions and the students of a school, as far as the caller sees them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_class
from adsum.roster.tables import classes, enrolments, sessions, students
from adsum.roster.timetable.repository import SessionPlace


@dataclass(frozen=True, slots=True)
class StudentName:
    """A student, by what a file may call them."""

    id: int
    source_id: str | None


async def sessions_seen(connection: AsyncConnection, caller: Caller, school_id: int) -> list[SessionPlace]:
    """The sessions of the classes of a school that the caller sees on any day, those that have ended, too."""
    statement = (
        select(sessions.c.id, sessions.c.period, classes.c.id, classes.c.source_id)
        .join(classes, classes.c.id == sessions.c.class_id)
        .where(classes.c.school_id == school_id, in_visible_class(caller, classes.c.id, None))
    )
    return [SessionPlace(*row) for row in await connection.execute(statement)]


async def students_seen(connection: AsyncConnection, caller: Caller, school_id: int) -> list[StudentName]:
    """The students of a school; to a teacher those who are or were enrolled in a class that they teach on any day."""
    statement = select(students.c.id, students.c.source_id).where(students.c.school_id == school_id)
    if caller.teaches_only:
        enrolled = select(enrolments.c.id).where(
            enrolments.c.student_id == students.c.id, in_visible_class(caller, enrolments.c.class_id, None)
        )
        statement = statement.where(exists(enrolled))
    return [StudentName(*row) for row in await connection.execute(statement)]
