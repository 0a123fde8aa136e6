"""Statements that reports read with: summaries that the caller may see, grouped as each report needs them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Subquery,
    case,
    func,
    literal,
    not_,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import (
    in_visible_class,
    in_visible_session,
    sees_names,
)
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.attendance.tables import attendances
from adsum.reports.repository.summaries import COUNTED, MINUTES, SUMMED, is_absent
from adsum.reports.repository.visible_days import (
    VisibleDays,
    VisiblePeriods,
    is_at_school,
    visible_class_days,
    visible_days,
)
from adsum.reports.rules import CountedDay, Counts, Extent, Named, ReportedMark, Scope, by_grade
from adsum.reports.tables import class_days, school_days
from adsum.roster.rules import grades_of
from adsum.roster.tables import classes, sessions, student_schools, students
from adsum.roster.timetable.repository import can_meet, weekday_of
from adsum.schools.tables import schools


async def newest_day(connection: AsyncConnection, caller: Caller, school_id: int) -> date | None:
    """The last day with a record that the caller sees, or None."""
    c = class_days.c
    visible = select(func.max(c.day)).where(c.school_id == school_id, in_visible_class(caller, c.class_id, c.day))
    return await connection.scalar(visible)


async def other_schools(connection: AsyncConnection, caller: Caller, scope: Scope) -> list[int]:
    """The other schools of the students whose home is the school of the scope, as far as `visible_days` reads them."""
    if is_at_school(caller, scope):
        return []
    o, s = student_schools.c, students.c
    found = select(o.school_id).distinct().join(students, s.id == o.student_id).where(s.school_id == scope.school_id)
    if scope.student_id is not None:
        found = found.where(o.student_id == scope.student_id)
    return list(await connection.scalars(found.order_by(o.school_id)))


async def counts_by_day(
    connection: AsyncConnection, caller: Caller, scope: Scope, statuses: SchoolStatuses, *, only_visible: bool
) -> dict[date, Counts]:
    """Counts by day. `only_visible`: see `visible_days`."""
    rows = await connection.execute(_by_day(caller, scope, statuses, only_visible=only_visible))
    return {day: Counts(*counts) for day, *counts in rows}


async def counts_by_class(
    connection: AsyncConnection, caller: Caller, scope: Scope, statuses: SchoolStatuses
) -> dict[int, Counts]:
    """Counts by the class in which the records were made."""
    days = visible_class_days(caller, scope, statuses)
    rows = await connection.execute(_summed(days, days.c.class_id))
    return {class_id: Counts(*counts) for class_id, *counts in rows}


async def counts_by_student(connection: AsyncConnection, periods: VisiblePeriods) -> dict[int, Counts]:
    """Counts by student."""
    rows = await connection.execute(_summed(periods, periods.c.student_id))
    return {student_id: Counts(*counts) for student_id, *counts in rows}


async def counts_by_grade(connection: AsyncConnection, periods: VisiblePeriods) -> dict[str | None, Counts]:
    """Counts by the grade in which the students are now. A student of several grades counts in each."""
    grade = students.c.grade
    # Grouped by student first, so that each student joins with one row instead of each period.
    each = _summed(periods, periods.c.student_id).order_by(None).subquery("each")
    statement = select(grade, *_sums(each)).join(students, students.c.id == each.c.student_id).group_by(grade)
    rows = [(grades_of(text), Counts(*counts)) for text, *counts in await connection.execute(statement)]
    return by_grade(rows)


async def find_streaks(
    connection: AsyncConnection, periods: VisiblePeriods, least_days: int
) -> list[tuple[int, int, date]]:
    """Students who are absent on their newest `least_days` days or more: id, number of days, first day."""
    # A window over all periods: a join with its own groups would make SQLite compute the periods again per student.
    last = func.max(periods.c.attended_on).over(partition_by=periods.c.student_id).label("last")
    columns = (periods.c.student_id, periods.c.absent_after, periods.c.absent_from, last)
    c = select(*columns).subquery("period_and_last").c
    days, since = func.sum(c.absent_after).cast(Integer), func.min(c.absent_from)
    # Only periods after the last attended day count: a period describes the days after its own last attended day.
    statement = (
        select(c.student_id, days, since)
        .where(or_(c.last.is_(None), c.absent_from > c.last))
        .group_by(c.student_id)
        .having(days >= least_days)
        .order_by(days.desc(), c.student_id)
    )
    return [(student_id, number, first) for student_id, number, first in await connection.execute(statement)]


async def unexplained_days(
    connection: AsyncConnection, days: VisibleDays, extent: Extent | None, after: tuple[date, int] | None, limit: int
) -> list[CountedDay]:
    """At most `limit` of these days, the newest day first; with an extent, those with absences of this extent."""
    statement = _student_days(days)
    if extent is not None:
        is_all_day = days.c.absent == days.c.sessions
        statement = statement.where(is_all_day if extent is Extent.ALL_DAY else not_(is_all_day))
    if after is not None:
        day, student_id = after
        is_later = (days.c.day == day) & (days.c.student_id > student_id)
        statement = statement.where((days.c.day < day) | is_later)
    rows = await connection.execute(statement.order_by(days.c.day.desc(), days.c.student_id).limit(limit))
    return [_student_day(*row) for row in rows]


async def days_of_student(connection: AsyncConnection, days: VisibleDays) -> list[tuple[int, CountedDay]]:
    """All rows of `days`, which the caller has narrowed to one student, by day; each with the id of its school."""
    rows = await connection.execute(_student_days(days).add_columns(days.c.school_id).order_by(days.c.day))
    return [(school_id, _student_day(*row)) for *row, school_id in rows]


def _student_day(day: date, *numbers: int) -> CountedDay:
    *counts, is_absent, minutes, minutes_missed = numbers
    return CountedDay(day, *counts, is_absent=bool(is_absent), minutes=minutes, minutes_missed=minutes_missed)


async def marks_of_student(
    connection: AsyncConnection, caller: Caller, scope: Scope, codes: Collection[str], limit: int
) -> list[ReportedMark]:
    """At most `limit` visible marks of the scope's student with one of these statuses or a time, the newest first."""
    a = attendances.c
    statement = (
        select(a.id, a.learning_date, classes.c.title, sessions.c.title, a.status, a.note, a.arrived_at, a.left_at)
        .join(sessions, sessions.c.id == a.session_id)
        .join(classes, classes.c.id == sessions.c.class_id)
        .join(schools, schools.c.id == classes.c.school_id)
        .where(
            *(a.school_id == scope.school_id, a.student_id == scope.student_id, a.status.is_not(None)),
            or_(a.status.in_(sorted(codes)), a.arrived_at.is_not(None), a.left_at.is_not(None)),
            *(a.learning_date >= scope.first_day, a.learning_date <= scope.last_day),
            *can_meet(a.learning_date, weekday_of(a.learning_date)),
            in_visible_session(caller, a.class_id, a.session_id, a.learning_date),
        )
        .order_by(a.learning_date.desc(), sessions.c.period, sessions.c.id)
        .limit(limit)
    )
    return [ReportedMark(*row) for row in await connection.execute(statement)]


async def named_students(connection: AsyncConnection, caller: Caller, ids: Sequence[int]) -> dict[int, Named]:
    """Source ids and, for callers with `roster:read`, given and family names, by student id."""
    c = students.c
    full_name = (c.given_name + " " + c.family_name).label("name")
    return await _named(connection, caller, select(c.id, c.source_id, full_name).where(c.id.in_(ids)))


async def named_classes(connection: AsyncConnection, caller: Caller, ids: Sequence[int]) -> dict[int, Named]:
    """Source ids and, for callers with `roster:read`, titles, by class id."""
    c = classes.c
    return await _named(connection, caller, select(c.id, c.source_id, c.title).where(c.id.in_(ids)))


async def _named(connection: AsyncConnection, caller: Caller, found: Select[int, str | None, str]) -> dict[int, Named]:
    rows = await connection.execute(found)
    return {id_: Named(source_id, name if sees_names(caller) else None) for id_, source_id, name in rows}


def _by_day(caller: Caller, scope: Scope, statuses: SchoolStatuses, *, only_visible: bool) -> Select[*tuple[Any, ...]]:
    if scope.student_id is not None or scope.grade is not None:
        days = visible_days(caller, scope, statuses, only_visible=only_visible)
        return _counted(days, days.c.day)
    if scope.class_id is not None or caller.teaches_only:
        days = visible_class_days(caller, scope, statuses)
        return _summed(days, days.c.day)
    c = school_days.c
    in_scope = (c.school_id == scope.school_id, c.day >= scope.first_day, c.day <= scope.last_day)
    return select(c.day, *(c[name] for name in COUNTED)).where(*in_scope).order_by(c.day)


def _summed(rows: Subquery, key: ColumnElement[Any]) -> Select[*tuple[Any, ...]]:
    return select(key, *_sums(rows)).group_by(key).order_by(key)


def _sums(rows: Subquery) -> list[ColumnElement[int]]:
    return [func.sum(rows.c[name]).cast(Integer).label(name) for name in COUNTED]


def _counted(days: VisibleDays, key: ColumnElement[Any]) -> Select[*tuple[Any, ...]]:
    absences = func.sum(case((is_absent(days.c), 1), else_=0)).cast(Integer)
    sums = {name: func.sum(days.c[name]).cast(Integer) for name in (*SUMMED, *MINUTES)}
    counts = {**sums, "days": func.count(), "days_absent": absences}
    return select(key, *(counts[name] for name in COUNTED)).group_by(key).order_by(key)


def _student_days(days: VisibleDays) -> Select[*tuple[Any, ...]]:
    c = days.c
    return select(
        *(c.day, c.student_id, c.sessions, c.attended, c.absent, c.authorised, c.late),
        case((is_absent(c), literal(1)), else_=literal(0)),
        *(c[name] for name in MINUTES),
    )
