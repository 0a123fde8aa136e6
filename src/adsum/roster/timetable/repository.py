"""Times of sessions, and the conditions under which a session is held on a day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Integer, String, and_, case, cast, exists, extract, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.platform.database.sql_files import input_rows, sql_file
from adsum.platform.database.validity import Day, valid_on
from adsum.platform.days import Span
from adsum.roster.repository.classes import select_sessions
from adsum.roster.repository.session_validity import is_valid
from adsum.roster.rules import SessionRow
from adsum.roster.tables import classes, session_times, sessions
from adsum.roster.timetable.rules import TimedSession, times_after
from adsum.schools.calendar.rules import SessionTime
from adsum.schools.stale_days import mark_stale_sessions
from adsum.schools.tables import class_terms, closed_days, schools, terms

_LOCK_SCHOOLS = sql_file("adsum.roster", "lock_schools_of_sessions")
_DELETE_TIMES = sql_file("adsum.roster", "delete_session_times")


async def times_of(connection: AsyncConnection, session_id: int) -> list[SessionTime]:
    """All times that a session has had, has and will have."""
    return (await times_of_sessions(connection, [session_id])).get(session_id, [])


async def times_of_sessions(connection: AsyncConnection, session_ids: Collection[int]) -> dict[int, list[SessionTime]]:
    """As `times_of`, of each session that has any."""
    c = session_times.c
    times: defaultdict[int, list[SessionTime]] = defaultdict(list)
    found = select(c.session_id, c.weekday, c.begins, c.ends, c.begin_date, c.end_date)
    for session_id, *time, begin, end in await connection.execute(found.where(c.session_id.in_(sorted(session_ids)))):
        times[session_id].append(SessionTime(*time, valid=Span(begin, end)))
    return times


async def times_by_session(
    connection: AsyncConnection, school_id: int, class_ids: Collection[int], day: date
) -> list[TimedSession]:
    """The active sessions of these classes of a school, by class and period, each with its times on `day`."""
    c = session_times.c
    found = (
        select_sessions()
        .add_columns(c.weekday, c.begins, c.ends)
        .join(classes, classes.c.id == sessions.c.class_id)
        .outerjoin(session_times, and_(c.session_id == sessions.c.id, valid_on(session_times, day)))
        .where(classes.c.school_id == school_id, sessions.c.class_id.in_(sorted(class_ids)), sessions.c.active)
        .order_by(sessions.c.class_id, sessions.c.period, sessions.c.id, c.weekday, c.begins)
    )
    by_session: dict[SessionRow, list[SessionTime]] = {}
    for *session, weekday, begins, ends in await connection.execute(found):
        times = by_session.setdefault(SessionRow(*session), [])
        if weekday is not None:
            times.append(SessionTime(weekday, begins, ends))
    return list(by_session.items())


async def replace_times(
    connection: AsyncConnection, weeks: Mapping[int, Sequence[SessionTime]], valid_from: date | None, today: date
) -> None:
    """Replaces the times of each of these sessions, of one school, from a day on: see `times_after`."""
    # SQLite has one writer.
    if connection.dialect.name != "sqlite":
        await _LOCK_SCHOOLS.fetch_all(connection, input_rows({"session_id": session_id} for session_id in weeks))
    changed = await changed_times(connection, weeks, valid_from, today)
    await _DELETE_TIMES.fetch_all(connection, input_rows({"session_id": session_id} for session_id in changed))
    rows = [_row(session_id, time) for session_id, times in changed.items() for time in times]
    if rows:
        await connection.execute(insert(session_times), rows)
    await mark_stale_sessions(connection, changed.keys())


async def changed_times(
    connection: AsyncConnection, weeks: Mapping[int, Sequence[SessionTime]], valid_from: date | None, today: date
) -> dict[int, list[SessionTime]]:
    """All times of each session whose times `replace_times` changes."""
    stored = await times_of_sessions(connection, weeks)
    changed: dict[int, list[SessionTime]] = {}
    for session_id, week in weeks.items():
        before = stored.get(session_id, [])
        after = times_after(before, week, valid_from, today)
        if {(time, time.valid) for time in before} != {(time, time.valid) for time in after}:
            changed[session_id] = after
    return changed


def _row(session_id: int, time: SessionTime) -> dict[str, Any]:
    of_week = {"weekday": time.weekday, "begins": time.begins, "ends": time.ends}
    return {"session_id": session_id, **of_week, "begin_date": time.valid.begin, "end_date": time.valid.end}


def meets_by(day: Day, weekday: ColumnElement[int], time: ColumnElement[str]) -> Collection[ColumnElement[bool]]:
    """Conditions on classes with their schools and sessions: the session is held on `day` and has begun by `time`.

    A session whose times are unknown on that day meets on the weekdays of its school, and counts as begun.

    Args:
        day: the learning date.
        weekday: of that day, 1 is Monday.
        time: local 'HH:MM'; '' selects no session, '24:00' every session of the day.
    """
    own = and_(session_times.c.session_id == sessions.c.id, valid_on(session_times, day))
    has_times = exists(select(session_times.c.id).where(own).correlate(sessions, schools))
    begun = exists(
        select(session_times.c.id)
        .where(own, session_times.c.weekday == weekday, session_times.c.begins <= time)
        .correlate(sessions, schools)
    )
    is_school_day = schools.c.weekdays.contains(cast(weekday, String))
    return is_valid(day), time != "", or_(begun, and_(~has_times, is_school_day))


def begins_since(day: Day, weekday: ColumnElement[int], time: ColumnElement[str]) -> ColumnElement[bool]:
    """The condition on sessions that one begins on `day` at the local time 'HH:MM' or later."""
    c = session_times.c
    own = (c.session_id == sessions.c.id, valid_on(session_times, day), c.weekday == weekday, c.begins >= time)
    return exists(select(c.id).where(*own).correlate(sessions, schools))


def weekday_of(day: ColumnElement[date]) -> ColumnElement[int]:
    """1 is Monday. Both databases count from Sunday, which is 0."""
    from_sunday = cast(extract("dow", day), Integer)
    return case((from_sunday == 0, 7), else_=from_sunday)


def can_meet(day: Day, weekday: ColumnElement[int]) -> Collection[ColumnElement[bool]]:
    """Conditions on classes and sessions: the session can be held on `day`, as `Calendar.closure` has it."""
    return ~_is_closed(day, weekday), _is_in_terms(day), _is_in_terms_of_class(day)


def _is_closed(day: Day, weekday: ColumnElement[int]) -> ColumnElement[bool]:
    c = closed_days.c
    first = (
        select(func.min(session_times.c.begins))
        .where(session_times.c.session_id == sessions.c.id, session_times.c.weekday == weekday)
        .where(valid_on(session_times, day))
        .correlate_except(session_times)
        .scalar_subquery()
    )
    return exists(
        select(c.day)
        .where(c.school_id == classes.c.school_id, c.day == day, or_(c.from_time.is_(None), first >= c.from_time))
        .correlate_except(closed_days)
    )


def _is_in_terms(day: Day) -> ColumnElement[bool]:
    own = and_(terms.c.school_id == classes.c.school_id, terms.c.opens_school)
    has_terms = exists(select(terms.c.id).where(own).correlate(classes))
    return or_(~has_terms, exists(select(terms.c.id).where(own, valid_on(terms, day)).correlate_except(terms)))


def _is_in_terms_of_class(day: Day) -> ColumnElement[bool]:
    own = class_terms.c.class_id == classes.c.id
    has_terms = exists(select(class_terms.c.term_id).where(own).correlate(classes))
    is_in_term = select(terms.c.id).join(class_terms, class_terms.c.term_id == terms.c.id)
    return or_(~has_terms, exists(is_in_term.where(own, valid_on(terms, day)).correlate_except(terms, class_terms)))
