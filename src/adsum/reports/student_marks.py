"""Marks of one student as people read them: of which class and session, with what was noted."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_session
from adsum.attendance.tables import attendances
from adsum.reports.rules import Scope
from adsum.reports.summaries_repository import weekday_of
from adsum.roster.tables import classes, sessions
from adsum.roster.timetable.repository import is_open
from adsum.schools.tables import schools


@dataclass(frozen=True, slots=True)
class StudentMark:
    """What was marked in one session. `status` is a code of the school's; times are local 'HH:MM', or None."""

    day: date
    class_title: str
    session_title: str
    status: str
    note: str | None
    arrived_at: str | None
    left_at: str | None


async def marks_of_student(
    connection: AsyncConnection, caller: Caller, scope: Scope, codes: Collection[str]
) -> list[StudentMark]:
    """The marks of the scope's student with one of these statuses that the caller sees and that reports count: the
    newest first.
    """
    a = attendances.c
    statement = (
        select(a.learning_date, classes.c.title, sessions.c.title, a.status, a.note, a.arrived_at, a.left_at)
        .join(sessions, sessions.c.id == a.session_id)
        .join(classes, classes.c.id == sessions.c.class_id)
        .join(schools, schools.c.id == classes.c.school_id)
        .where(
            *(a.school_id == scope.school_id, a.student_id == scope.student_id, a.status.in_(sorted(codes))),
            *(a.learning_date >= scope.first_day, a.learning_date <= scope.last_day),
            *is_open(a.learning_date, weekday_of(a.learning_date)),
            in_visible_session(caller, a.class_id, a.session_id, a.learning_date),
        )
        .order_by(a.learning_date.desc(), sessions.c.period, sessions.c.id)
    )
    return [StudentMark(*row) for row in await connection.execute(statement)]
