"""Statements that find the students who are on site: by the newest mark of each student today."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any

from sqlalchemy import Select, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_session
from adsum.attendance.tables import attendances
from adsum.platform.database.validity import valid_on
from adsum.registers.rules import OnSiteStudent
from adsum.roster.tables import classes, session_times, sessions, students


async def list_on_site(
    connection: AsyncConnection,
    caller: Caller,
    school_id: int,
    today: date,
    statuses: Collection[str],
    *,
    after: int = 0,
    limit: int | None = None,
) -> list[OnSiteStudent]:
    """At most `limit` students by id, after the id `after`; without a limit all of them.

    The newest mark of a student is that of the session that begins last by the timetable; among sessions without times,
    the mark that was made last. Its status has to be one of `statuses`, and the student must not have left.
    """
    on_site = _on_site(caller, school_id, today, statuses, after).order_by(students.c.id).limit(limit)
    return [OnSiteStudent(*row) for row in await connection.execute(on_site)]


async def count_on_site(
    connection: AsyncConnection, caller: Caller, school_id: int, today: date, statuses: Collection[str]
) -> int:
    """The number of students whom `list_on_site` lists."""
    on_site = _on_site(caller, school_id, today, statuses).with_only_columns(students.c.id).subquery("on_site")
    return (await connection.execute(select(func.count()).select_from(on_site))).scalar_one()


def _on_site(
    caller: Caller, school_id: int, today: date, statuses: Collection[str], after: int = 0
) -> Select[*tuple[Any, ...]]:
    a, m = attendances.c, session_times.c
    begins = (
        select(func.max(m.begins))
        .where(m.session_id == a.session_id, m.weekday == today.isoweekday())
        .where(valid_on(session_times, today))
        .correlate(attendances)
        .scalar_subquery()
    )
    order = func.coalesce(begins, "").desc(), a.marked_at.desc(), a.session_id.desc()
    newest = (
        select(
            *(a.student_id, a.class_id, a.session_id, a.status, a.left_at, a.marked_at),
            func.row_number().over(partition_by=a.student_id, order_by=order).label("rank"),
        )
        .where(
            *(a.school_id == school_id, a.learning_date == today, a.status.is_not(None), a.student_id > after),
            in_visible_session(caller, a.class_id, a.session_id, today),
        )
        .subquery("newest")
    )
    n, s, c, taken = newest.c, students.c, classes.c, sessions.c
    return (
        select(
            *(s.id, s.given_name, s.family_name, s.grade, n.class_id, n.session_id, n.status, n.marked_at),
            *(s.source_id, c.source_id, c.title, taken.source_id, taken.title),
        )
        .join(newest, n.student_id == s.id)
        .join(classes, c.id == n.class_id)
        .join(sessions, taken.id == n.session_id)
        .where(n.rank == 1, n.left_at.is_(None), n.status.in_(sorted(statuses)))
    )
