"""Statements that write summaries of days and months, from which reports read instead of all records of a year.

A summary is derived from the records. It is made again before a report reads it, for each day with a run that
`batch_runs.summarised` marks as stale: a run has ended, or a record, the calendar or the timetable has changed.
Recording a class writes no summary.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from datetime import date
from typing import Any, TypeAlias

from sqlalchemy import (
    CTE,
    ColumnElement,
    Date,
    Integer,
    ScalarSelect,
    Select,
    Subquery,
    and_,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.attendance.statuses.rules import CountsAs, SchoolStatuses, StatusFlag
from adsum.attendance.tables import attendances
from adsum.batches.tables import batch_runs
from adsum.platform.database.sql_files import sql_file
from adsum.platform.database.validity import valid_on
from adsum.reports.rules import month_after
from adsum.reports.tables import class_days, school_days, student_days, student_months, unmarked_students
from adsum.roster.tables import classes, enrolments, session_times, sessions
from adsum.roster.timetable.repository import can_meet, weekday_of
from adsum.schools.tables import schools

ClassDays: TypeAlias = Collection[tuple[int, date]]
"""Pairs of a class id and a day."""

Days: TypeAlias = tuple[date, date]
"""The first and the last day of a period."""

SUMMED = ("sessions", "attended", "absent", "authorised", "late")
MINUTES = ("minutes", "minutes_missed")
COUNTED = (*SUMMED, "days", "days_absent", *MINUTES)

_ADD_UP_DAY = sql_file("adsum.reports", "add_up_day", parameters={"day": Date()})
_ADD_UP_MONTH = sql_file("adsum.reports", "add_up_month", parameters={"month": Date(), "next_month": Date()})


async def stale_day(connection: AsyncConnection, school_id: int, days: Days | None = None) -> date | None:
    """The first day of a school, or of these days of it, whose summaries are out of date; None if there is none."""
    c, found = batch_runs.c, stale(school_id)
    return await connection.scalar(found if days is None else found.where(c.learning_date.between(*days)))


def stale(school_id: int) -> Select[date]:
    """The statement of `stale_day`."""
    c = batch_runs.c
    return select(c.learning_date).where(*is_stale(school_id)).order_by(c.learning_date).limit(1)


def is_stale(school_id: int) -> tuple[ColumnElement[bool], ...]:
    """The ended runs of a school that its summaries lack or have an older state of."""
    c = batch_runs.c
    return c.school_id == school_id, c.ended_at.is_not(None), ~c.summarised


async def summarise(connection: AsyncConnection, school_id: int, day: date, statuses: SchoolStatuses) -> None:
    """Makes the summaries of a day again, and those of its month after the last stale day of the month.

    The caller holds the lock of the school. The stale runs are locked before the records are read: a transaction that
    changes a record later waits for this one, and then marks the run as stale again.
    """
    c = batch_runs.c
    locked = select(c.run_id).where(*is_stale(school_id), c.learning_date == day).order_by(c.run_id)
    runs = list(await connection.scalars(locked.with_for_update()))
    for table in (student_days, class_days, unmarked_students):
        await connection.execute(delete(table).where(table.c.school_id == school_id, table.c.day == day))
    runs_of_day = [c.school_id == school_id, c.learning_date == day]
    marks = _marks(runs_of_day, statuses)
    summaries = (
        (student_days, _by_student(marks, school_id)),
        (class_days, _by_class(marks, school_id)),
        (unmarked_students, _unmarked(runs_of_day, school_id)),
    )
    for table, rows in summaries:
        await connection.execute(insert(table).from_select(rows.selected_columns.keys(), rows))
    await add_up_days(connection, school_id, [day])
    await connection.execute(update(batch_runs).where(c.run_id.in_(runs)).values(summarised=True))
    month = day.replace(day=1)
    stale_in_month = stale(school_id).where(c.learning_date >= month, c.learning_date < month_after(month))
    # The month is added up once, after its last stale day, and not after each of them.
    if await connection.scalar(stale_in_month) is None:
        await add_up_month(connection, school_id, month)


async def summarise_classes(
    connection: AsyncConnection, school_id: int, places: ClassDays, statuses: SchoolStatuses
) -> None:
    """Makes the summaries of classes on some days again, and their unmarked students: a session without any mark has
    none. The caller holds the lock of the school.
    """
    class_ids, days = {class_id for class_id, _ in places}, {day for _, day in places}
    r = batch_runs.c
    runs = [r.class_id.in_(class_ids), r.learning_date.in_(days)]
    summaries = (
        (class_days, days_of_classes(school_id, runs, statuses)),
        (unmarked_students, _unmarked(runs, school_id)),
    )
    for table, rows in summaries:
        c = table.c
        of_places = (c.school_id == school_id, c.class_id.in_(class_ids), c.day.in_(days))
        await connection.execute(delete(table).where(*of_places))
        await connection.execute(insert(table).from_select(rows.selected_columns.keys(), rows))


async def add_up_days(connection: AsyncConnection, school_id: int, days: Collection[date]) -> None:
    """Adds up the students of a school on each of these days again. The caller holds the lock of the school."""
    c = school_days.c
    await connection.execute(delete(school_days).where(c.school_id == school_id, c.day.in_(days)))
    if days:
        await _ADD_UP_DAY.execute_many(connection, [{"school_id": school_id, "day": day} for day in sorted(days)])


async def add_up_month(connection: AsyncConnection, school_id: int, month: date) -> None:
    """Adds up the month that begins on this day again. The caller holds the lock of the school."""
    c = student_months.c
    await connection.execute(delete(student_months).where(c.school_id == school_id, c.month == month))
    values = {"school_id": school_id, "month": month, "next_month": month_after(month)}
    await _ADD_UP_MONTH.fetch_all(connection, values)


async def erase_from_summaries(connection: AsyncConnection, student_id: int) -> None:
    """Deletes the days and months of a student, and adds up the days of their schools without them.

    The caller holds the locks of the schools.
    """
    c = student_days.c
    days = defaultdict[int, list[date]](list)
    for school_id, day in await connection.execute(select(c.school_id, c.day).where(c.student_id == student_id)):
        days[school_id].append(day)
    for table in (student_days, student_months, unmarked_students):
        await connection.execute(delete(table).where(table.c.student_id == student_id))
    for school_id, of_school in days.items():
        await add_up_days(connection, school_id, of_school)


def is_absent(day: Any) -> ColumnElement[bool]:
    """Whether at least half of the time was missed. `day` has the columns of `student_days`.

    `add_up_day.sql` and `add_up_month.sql` repeat this condition.
    """
    return _is_absent(day.time, day.time_missed)


def _is_absent(time: Any, time_missed: Any) -> ColumnElement[bool]:
    return 2 * time_missed >= time


def days_of_students(
    school_id: int, runs: Collection[ColumnElement[bool]], statuses: SchoolStatuses
) -> Select[*tuple[Any, ...]]:
    """Rows with the columns of `student_days`, made of the runs that meet these conditions."""
    return _by_student(_marks(runs, statuses), school_id)


def days_of_classes(
    school_id: int, runs: Collection[ColumnElement[bool]], statuses: SchoolStatuses
) -> Select[*tuple[Any, ...]]:
    """Rows with the columns of `class_days`, made of the runs that meet these conditions."""
    return _by_class(_marks(runs, statuses), school_id)


def _marks(runs: Collection[ColumnElement[bool]], statuses: SchoolStatuses) -> Subquery:
    """One row for each mark that counts: student, class, how it counts, and the minutes of its session, or NULL.

    `minutes_missed` is of all minutes if the status is absent, else of those before the arrival and after the
    departure. A session of which the school's share was missed counts as absent, whatever its status.
    """
    absent, a, marked = _codes(statuses, CountsAs.ABSENT), attendances.c, _open_sessions(runs)
    is_same_session = and_(marked.c.session_id == a.session_id, marked.c.day == a.learning_date)
    missed = case(
        (a.status.in_(absent), marked.c.minutes),
        (or_(a.arrived_at.is_not(None), a.left_at.is_not(None)), _minutes_away(marked)),
        else_=case((marked.c.minutes.is_not(None), 0)),
    )
    each = (
        select(
            *(a.learning_date.label("day"), a.student_id, a.class_id, a.status, marked.c.minutes, marked.c.missed_from),
            missed.label("minutes_missed"),
        )
        .join(marked, is_same_session)
        .where(a.status.in_(_codes(statuses, CountsAs.ATTENDED) + absent))
        .subquery("each")
    ).c
    is_missed = or_(each.status.in_(absent), 100 * each.minutes_missed >= each.missed_from * each.minutes)
    return select(
        *(each.day, each.student_id, each.class_id, each.minutes, each.minutes_missed),
        case((is_missed, 0), else_=1).label("attended"),
        _one_if(is_missed).label("absent"),
        _one_if(and_(is_missed, each.status.in_(_flagged(statuses, StatusFlag.AUTHORISED)))).label("authorised"),
        case((is_missed, 0), else_=_one_if(each.status.in_(_flagged(statuses, StatusFlag.LATE)))).label("late"),
    ).subquery("mark")


def _minutes_away(marked: CTE) -> ScalarSelect[int]:
    """The minutes of a session before the arrival and after the departure of a mark."""
    a, m = attendances.c, session_times.c
    begins = case((a.arrived_at > m.begins, a.arrived_at), else_=m.begins)
    ends = case((a.left_at < m.ends, a.left_at), else_=m.ends)
    attended = case((ends > begins, _minutes(ends) - _minutes(begins)), else_=0)
    return (
        select(func.sum(_minutes(m.ends) - _minutes(m.begins) - attended))
        .where(m.session_id == marked.c.session_id, m.weekday == marked.c.weekday)
        .where(valid_on(session_times, marked.c.day))
        .correlate(marked, attendances)
        .scalar_subquery()
    )


def _unmarked(runs: Collection[ColumnElement[bool]], school_id: int) -> Select[*tuple[Any, ...]]:
    """The students who are enrolled on the day of a session and have no mark in it, although others have one.

    Not a file, since the conditions on the runs vary, and `_open_sessions` has the one definition of a session that
    counts, here as for the marks.
    """
    marked, a = _open_sessions(runs), attendances.alias("mark")
    of_session = (a.c.session_id == marked.c.session_id, a.c.learning_date == marked.c.day, a.c.status.is_not(None))
    return (
        select(
            literal(school_id).label("school_id"),
            marked.c.day,
            marked.c.session_id,
            enrolments.c.student_id,
            enrolments.c.class_id,
        )
        .distinct()
        .join(sessions, sessions.c.id == marked.c.session_id)
        .join(enrolments, enrolments.c.class_id == sessions.c.class_id)
        .where(
            valid_on(enrolments, marked.c.day),
            exists().where(*of_session),
            not_(exists().where(*of_session, a.c.student_id == enrolments.c.student_id)),
        )
    )


def _open_sessions(runs: Collection[ColumnElement[bool]]) -> CTE:
    """Each session and day of these runs for which the school was open, with its weekday and its minutes."""
    r = batch_runs.c
    marked = select(r.session_id, r.learning_date.label("day")).where(*runs).distinct().subquery("marked")
    weekday = weekday_of(marked.c.day)
    m = session_times.c
    minutes = (
        select(func.sum(_minutes(m.ends) - _minutes(m.begins)))
        .where(m.session_id == marked.c.session_id, m.weekday == weekday, valid_on(session_times, marked.c.day))
        .correlate(marked)
        .scalar_subquery()
    )
    return (
        select(
            *(marked.c.session_id, marked.c.day, weekday.label("weekday"), minutes.label("minutes")),
            schools.c.missed_from_percent.label("missed_from"),
        )
        .join(sessions, sessions.c.id == marked.c.session_id)
        .join(classes, classes.c.id == sessions.c.class_id)
        .join(schools, schools.c.id == classes.c.school_id)
        .where(*can_meet(marked.c.day, weekday))
        # Of earlier days only the records of students on hold are left.
        .where(or_(schools.c.records_from.is_(None), marked.c.day >= schools.c.records_from))
        .cte("open_session")
        .prefix_with("MATERIALIZED")
    )


def _by_student(mark: Subquery, school_id: int) -> Select[*tuple[Any, ...]]:
    m = mark.c
    return select(
        *(literal(school_id).label("school_id"), m.day, m.student_id, *_sums(m)),
        _time(m).label("time"),
        _time_missed(m).label("time_missed"),
        *_sums_of_minutes(m),
    ).group_by(m.day, m.student_id)


def _by_class(mark: Subquery, school_id: int) -> Select[*tuple[Any, ...]]:
    m = mark.c
    student = (
        select(
            *(m.day, m.class_id, *_sums(m), *_sums_of_minutes(m)),
            _one_if(_is_absent(_time(m), _time_missed(m))).label("days_absent"),
        )
        .group_by(m.day, m.class_id, m.student_id)
        .subquery("student")
    )
    return select(
        *(literal(school_id).label("school_id"), student.c.day, student.c.class_id),
        *(func.sum(student.c[name]).label(name) for name in SUMMED),
        func.count().label("days"),
        func.sum(student.c.days_absent).label("days_absent"),
        *(func.sum(student.c[name]).label(name) for name in MINUTES),
    ).group_by(student.c.day, student.c.class_id)


def _sums(m: Any) -> list[ColumnElement[int]]:
    return [func.count().label("sessions"), *(func.sum(m[name]).label(name) for name in SUMMED[1:])]


def _sums_of_minutes(m: Any) -> list[ColumnElement[int]]:
    return [func.coalesce(func.sum(m[name]), 0).label(name) for name in MINUTES]


def _time(m: Any) -> ColumnElement[int]:
    return case((_has_all_times(m), func.sum(m.minutes)), else_=func.count())


def _time_missed(m: Any) -> ColumnElement[int]:
    return case((_has_all_times(m), func.sum(m.minutes * m.absent)), else_=func.sum(m.absent))


def _has_all_times(m: Any) -> ColumnElement[bool]:
    return func.count(m.minutes) == func.count()


def _one_if(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, 1), else_=0)


def _minutes(time: ColumnElement[str]) -> ColumnElement[int]:
    """Minutes since midnight of a local 'HH:MM'."""
    return cast(func.substr(time, 1, 2), Integer) * 60 + cast(func.substr(time, 4, 2), Integer)


def _codes(statuses: SchoolStatuses, counts_as: CountsAs) -> list[str]:
    return [status.code for status in statuses if status.counts_as is counts_as]


def _flagged(statuses: SchoolStatuses, flag: StatusFlag) -> list[str]:
    return [status.code for status in statuses if flag in status.flags]
