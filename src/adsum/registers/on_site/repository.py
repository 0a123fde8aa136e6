"""Statements that find the students who are on site, by their newest mark of today, and those who have no mark."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any

from sqlalchemy import Date, Integer, Select, String, and_, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_session
from adsum.attendance.tables import attendances
from adsum.platform.database.validity import valid_on
from adsum.registers.repository import has_register
from adsum.registers.rules import LocalTime, OnSiteStudent, UnknownStudent
from adsum.roster.tables import classes, enrolments, session_times, sessions, students
from adsum.schools.tables import schools


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


async def list_unknown(
    connection: AsyncConnection,
    caller: Caller,
    school_id: int,
    now: LocalTime,
    *,
    after: int = 0,
    limit: int | None = None,
) -> list[UnknownStudent]:
    """At most `limit` students by id, after the id `after`; without a limit all of them.

    They are on the roster of a register that is due by now, or that has marks, and have no mark today. Each is listed
    once, with the session that begins last.
    """
    unknown = _unknown(caller, school_id, now, after).order_by(students.c.id).limit(limit)
    return [UnknownStudent(*row) for row in await connection.execute(unknown)]


async def count_unknown(connection: AsyncConnection, caller: Caller, school_id: int, now: LocalTime) -> int:
    """The number of students whom `list_unknown` lists."""
    unknown = _unknown(caller, school_id, now).with_only_columns(students.c.id).subquery("unknown")
    return (await connection.execute(select(func.count()).select_from(unknown))).scalar_one()


def _unknown(caller: Caller, school_id: int, now: LocalTime, after: int = 0) -> Select[*tuple[Any, ...]]:
    expected = _expected(caller, school_id, now, after).subquery("expected")
    n, s, c, due = expected.c, students.c, classes.c, sessions.c
    return (
        select(
            *(s.id, s.given_name, s.family_name, s.grade, n.class_id, n.session_id),
            *(s.source_id, c.source_id, c.title, due.source_id, due.title),
        )
        .join(expected, n.student_id == s.id)
        .join(classes, c.id == n.class_id)
        .join(sessions, due.id == n.session_id)
        .where(n.rank == 1)
    )


def _expected(caller: Caller, school_id: int, now: LocalTime, after: int) -> Select[*tuple[Any, ...]]:
    """Students without a mark, once for each session whose register is due. `rank` 1: the session that begins last."""
    a, e, m = attendances.c, enrolments.c, session_times.c
    day, weekday = literal(now.day, Date()), literal(now.day.isoweekday(), Integer())
    marked = select(a.student_id).where(
        *(a.school_id == school_id, a.learning_date == now.day, a.status.is_not(None)),
        in_visible_session(caller, a.class_id, a.session_id, now.day),
    )
    begins = (
        select(func.max(m.begins))
        .where(m.session_id == sessions.c.id, m.weekday == weekday, m.begins <= now.time)
        .where(valid_on(session_times, now.day))
        .correlate(sessions)
        .scalar_subquery()
    )
    order = func.coalesce(begins, "").desc(), sessions.c.id.desc()
    return (
        select(
            *(e.student_id, classes.c.id.label("class_id"), sessions.c.id.label("session_id")),
            func.row_number().over(partition_by=e.student_id, order_by=order).label("rank"),
        )
        .select_from(classes)
        .join(schools, schools.c.id == classes.c.school_id)
        .join(sessions, sessions.c.class_id == classes.c.id)
        .join(enrolments, and_(e.class_id == classes.c.id, valid_on(enrolments, now.day)))
        .where(
            *(classes.c.school_id == school_id, e.student_id > after, e.student_id.not_in(marked)),
            in_visible_session(caller, classes.c.id, sessions.c.id, now.day),
            *has_register(day, weekday, literal(now.time, String())),
        )
    )


def _on_site(
    caller: Caller, school_id: int, today: date, statuses: Collection[str], after: int = 0
) -> Select[*tuple[Any, ...]]:
    newest = _ranked_marks(caller, school_id, today, after).subquery("newest")
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


def _ranked_marks(caller: Caller, school_id: int, today: date, after: int) -> Select[*tuple[Any, ...]]:
    """The marks of today. `rank` 1: the newest one of its student."""
    a, m = attendances.c, session_times.c
    begins = (
        select(func.max(m.begins))
        .where(m.session_id == a.session_id, m.weekday == today.isoweekday())
        .where(valid_on(session_times, today))
        .correlate(attendances)
        .scalar_subquery()
    )
    order = func.coalesce(begins, "").desc(), a.marked_at.desc(), a.session_id.desc()
    return select(
        *(a.student_id, a.class_id, a.session_id, a.status, a.left_at, a.marked_at),
        func.row_number().over(partition_by=a.student_id, order_by=order).label("rank"),
    ).where(
        *(a.school_id == school_id, a.learning_date == today, a.status.is_not(None), a.student_id > after),
        in_visible_session(caller, a.class_id, a.session_id, today),
    )
