"""Summaries of days and months: what reports read instead of every record of a year.

They are made from the records, and made anew before a report is read wherever a run has ended, or a record, a calendar
or a timetable has changed, since they were: `batch_runs.summarised` says so. Nothing of it is done while classes are
marked.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Subquery,
    and_,
    case,
    cast,
    delete,
    extract,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.attendance.statuses.rules import CountsAs, SchoolStatuses, StatusFlag
from adsum.attendance.tables import attendances
from adsum.batches.tables import batch_runs
from adsum.reports.day_totals import SUMMED, add_up_days, add_up_month
from adsum.reports.rules import month_after
from adsum.reports.tables import class_days, student_days
from adsum.roster.tables import classes, session_times, sessions
from adsum.roster.timetable.repository import is_open
from adsum.schools.tables import schools

Places: TypeAlias = Collection[tuple[int, date]]
"""Classes, by id, each on a day."""


async def stale_day(connection: AsyncConnection, school_id: int) -> date | None:
    """The first day of a school whose summaries are out of date; None if there is none."""
    return await connection.scalar(stale(school_id))


def stale(school_id: int) -> Select[date]:
    """The statement of `stale_day`."""
    c = batch_runs.c
    return select(c.learning_date).where(*is_stale(school_id)).order_by(c.learning_date).limit(1)


def is_stale(school_id: int) -> tuple[ColumnElement[bool], ...]:
    """The ended runs of a school that its summaries lack or have an older state of."""
    c = batch_runs.c
    return c.school_id == school_id, c.ended_at.is_not(None), ~c.summarised


async def summarise(connection: AsyncConnection, school_id: int, day: date, statuses: SchoolStatuses) -> None:
    """Makes the summaries of a day anew, and of its month with the last day of it. The school has to be locked.

    The runs are locked before the records are read: whoever changes a record afterwards waits, and then says that the
    run is to be summarised again; what was committed before is seen.
    """
    c = batch_runs.c
    locked = select(c.run_id).where(*is_stale(school_id), c.learning_date == day).order_by(c.run_id)
    runs = list(await connection.scalars(locked.with_for_update()))
    for table in (student_days, class_days):
        await connection.execute(delete(table).where(table.c.school_id == school_id, table.c.day == day))
    marks = _marks([c.school_id == school_id, c.learning_date == day], statuses)
    for table, made in ((student_days, _of_student(marks, school_id)), (class_days, _of_class(marks, school_id))):
        await connection.execute(insert(table).from_select(made.selected_columns.keys(), made))
    await add_up_days(connection, school_id, [day])
    await connection.execute(update(batch_runs).where(c.run_id.in_(runs)).values(summarised=True))
    month = day.replace(day=1)
    of_month = stale(school_id).where(c.learning_date >= month, c.learning_date < month_after(month))
    # Whoever makes the last of its stale days anew adds the month up: once, and not with each of them.
    if await connection.scalar(of_month) is None:
        await add_up_month(connection, school_id, month)


async def summarise_classes(
    connection: AsyncConnection, school_id: int, places: Places, statuses: SchoolStatuses
) -> None:
    """Makes what classes have on some days anew, of the records that there are now. The school has to be locked."""
    class_ids, days = {class_id for class_id, _ in places}, {day for _, day in places}
    c, r = class_days.c, batch_runs.c
    of_places = (c.school_id == school_id, c.class_id.in_(class_ids), c.day.in_(days))
    await connection.execute(delete(class_days).where(*of_places))
    made = days_of_classes(school_id, [r.class_id.in_(class_ids), r.learning_date.in_(days)], statuses)
    await connection.execute(insert(class_days).from_select(made.selected_columns.keys(), made))


def days_of_students(
    school_id: int, runs: Collection[ColumnElement[bool]], statuses: SchoolStatuses
) -> Select[*tuple[Any, ...]]:
    """What `student_days` would have of these runs alone: for who may not see the others."""
    return _of_student(_marks(runs, statuses), school_id)


def days_of_classes(
    school_id: int, runs: Collection[ColumnElement[bool]], statuses: SchoolStatuses
) -> Select[*tuple[Any, ...]]:
    """What `class_days` would have of these runs alone."""
    return _of_class(_marks(runs, statuses), school_id)


def _marks(runs: Collection[ColumnElement[bool]], statuses: SchoolStatuses) -> Subquery:
    """One row a mark that counts: whose, in which class, how it counts, and how long its session takes, or NULL."""
    a, held = attendances.c, _held(runs)
    counted = _codes(statuses, CountsAs.ATTENDED) + _codes(statuses, CountsAs.ABSENT)
    return (
        select(
            *(a.learning_date.label("day"), a.student_id, a.class_id, held.c.minutes),
            _one_if(a.status.in_(_codes(statuses, CountsAs.ATTENDED))).label("attended"),
            _one_if(a.status.in_(_codes(statuses, CountsAs.ABSENT))).label("absent"),
            _one_if(a.status.in_(_absent_and_authorised(statuses))).label("authorised"),
            _one_if(a.status.in_(_flagged(statuses, StatusFlag.LATE))).label("late"),
        )
        .join(held, and_(held.c.session_id == a.session_id, held.c.day == a.learning_date))
        .where(a.status.in_(counted))
        .subquery("mark")
    )


def _held(runs: Collection[ColumnElement[bool]]) -> Subquery:
    """Each session and day of these runs, unless the school was closed for it, with its minutes."""
    r = batch_runs.c
    taken = select(r.session_id, r.learning_date.label("day")).where(*runs).distinct().subquery("taken")
    weekday = weekday_of(taken.c.day)
    m = session_times.c
    minutes = (
        select(func.sum(_minutes(m.ends) - _minutes(m.begins)))
        .where(m.session_id == taken.c.session_id, m.weekday == weekday)
        .correlate(taken)
        .scalar_subquery()
    )
    return (
        select(taken.c.session_id, taken.c.day, minutes.label("minutes"))
        .join(sessions, sessions.c.id == taken.c.session_id)
        .join(classes, classes.c.id == sessions.c.class_id)
        .join(schools, schools.c.id == classes.c.school_id)
        .where(*is_open(taken.c.day, weekday))
        .subquery("held")
    )


def _of_student(mark: Subquery, school_id: int) -> Select[*tuple[Any, ...]]:
    m = mark.c
    return select(
        *(literal(school_id).label("school_id"), m.day, m.student_id, *_sums(m)),
        _time(m).label("time"),
        _time_missed(m).label("time_missed"),
    ).group_by(m.day, m.student_id)


def _of_class(mark: Subquery, school_id: int) -> Select[*tuple[Any, ...]]:
    m = mark.c
    each = (
        select(m.day, m.class_id, *_sums(m), _one_if(2 * _time_missed(m) >= _time(m)).label("days_absent"))
        .group_by(m.day, m.class_id, m.student_id)
        .subquery("student")
    )
    return select(
        *(literal(school_id).label("school_id"), each.c.day, each.c.class_id),
        *(func.sum(each.c[name]).label(name) for name in SUMMED),
        func.count().label("days"),
        func.sum(each.c.days_absent).label("days_absent"),
    ).group_by(each.c.day, each.c.class_id)


def _sums(m: Any) -> list[ColumnElement[int]]:
    return [func.count().label("sessions"), *(func.sum(m[name]).label(name) for name in SUMMED[1:])]


def _time(m: Any) -> ColumnElement[int]:
    return case((_has_all_times(m), func.sum(m.minutes)), else_=func.count())


def _time_missed(m: Any) -> ColumnElement[int]:
    return case((_has_all_times(m), func.sum(m.minutes * m.absent)), else_=func.sum(m.absent))


def _has_all_times(m: Any) -> ColumnElement[bool]:
    return func.count(m.minutes) == func.count()


def _one_if(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, 1), else_=0)


def weekday_of(day: ColumnElement[date]) -> ColumnElement[int]:
    """1 is Monday; both databases count from Sunday, which is 0."""
    from_sunday = cast(extract("dow", day), Integer)
    return case((from_sunday == 0, 7), else_=from_sunday)


def _minutes(time: ColumnElement[str]) -> ColumnElement[int]:
    """Of a local 'HH:MM', since midnight."""
    return cast(func.substr(time, 1, 2), Integer) * 60 + cast(func.substr(time, 4, 2), Integer)


def _codes(statuses: SchoolStatuses, counts_as: CountsAs) -> list[str]:
    return [status.code for status in statuses if status.counts_as is counts_as]


def _flagged(statuses: SchoolStatuses, flag: StatusFlag) -> list[str]:
    return [status.code for status in statuses if flag in status.flags]


def _absent_and_authorised(statuses: SchoolStatuses) -> list[str]:
    return [code for code in _flagged(statuses, StatusFlag.AUTHORISED) if code in _codes(statuses, CountsAs.ABSENT)]
