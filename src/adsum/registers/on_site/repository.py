"""Who is in the house: of each student the newest mark of today, if it says that they are there."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_session
from adsum.attendance.tables import attendances
from adsum.roster.tables import session_times, students


@dataclass(frozen=True, slots=True)
class InTheHouse:
    """A student who is there, by the register of which class and session, taken when."""

    student_id: int
    given_name: str
    family_name: str
    grade: str | None
    class_id: int
    session_id: int
    status: str
    marked_at: datetime


async def who_is_there(
    connection: AsyncConnection,
    caller: Caller,
    school_id: int,
    today: date,
    statuses: Collection[str],
    *,
    after: int = 0,
    limit: int | None = None,
) -> list[InTheHouse]:
    """At most `limit` students by id, from beyond the id `after`; without a limit all of them.

    The newest mark of each is the one of the session that begins last by the timetable, and among those without times
    the one that was made last. `statuses` are those that say that somebody is there; who has left is not.
    """
    there = _there(caller, school_id, today, statuses, after).order_by(students.c.id).limit(limit)
    return [InTheHouse(*row) for row in await connection.execute(there)]


async def how_many_are_there(
    connection: AsyncConnection, caller: Caller, school_id: int, today: date, statuses: Collection[str]
) -> int:
    """How many students `who_is_there` would list."""
    there = _there(caller, school_id, today, statuses).subquery("there")
    return (await connection.execute(select(func.count()).select_from(there))).scalar_one()


def _there(
    caller: Caller, school_id: int, today: date, statuses: Collection[str], after: int = 0
) -> Select[*tuple[Any, ...]]:
    a, m = attendances.c, session_times.c
    begins = (
        select(func.max(m.begins))
        .where(m.session_id == a.session_id, m.weekday == today.isoweekday())
        .correlate(attendances)
        .scalar_subquery()
    )
    order = func.coalesce(begins, "").desc(), a.marked_at.desc(), a.session_id.desc()
    newest = (
        select(
            *(a.student_id, a.class_id, a.session_id, a.status, a.left_at, a.marked_at),
            func.row_number().over(partition_by=a.student_id, order_by=order).label("place"),
        )
        .where(
            *(a.school_id == school_id, a.learning_date == today, a.status.is_not(None), a.student_id > after),
            in_visible_session(caller, a.class_id, a.session_id, today),
        )
        .subquery("newest")
    )
    n, s = newest.c, students.c
    return (
        select(s.id, s.given_name, s.family_name, s.grade, n.class_id, n.session_id, n.status, n.marked_at)
        .join(newest, n.student_id == s.id)
        .where(n.place == 1, n.left_at.is_(None), n.status.in_(sorted(statuses)))
    )
