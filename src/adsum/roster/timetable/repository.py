"""Times of sessions, and the conditions under which a session is held on a day."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import ColumnElement, and_, exists, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.platform.database.sql_files import input_rows, sql_file
from adsum.platform.database.validity import Day, valid_on
from adsum.roster.rules import SessionRow
from adsum.roster.tables import classes, session_times, sessions
from adsum.roster.timetable.rules import TimedSession
from adsum.schools.calendar.rules import SessionTime
from adsum.schools.stale_days import mark_stale_sessions
from adsum.schools.tables import class_terms, closed_days, schools, terms

_LOCK_SCHOOLS = sql_file("adsum.roster", "lock_schools_of_sessions")
_DELETE_TIMES = sql_file("adsum.roster", "delete_session_times")


async def times_of(connection: AsyncConnection, session_id: int) -> list[SessionTime]:
    """The times of a session, in the order of the week."""
    c = session_times.c
    found = select(c.weekday, c.begins, c.ends).where(c.session_id == session_id).order_by(c.weekday, c.begins)
    return [SessionTime(*row) for row in await connection.execute(found)]


async def times_by_session(
    connection: AsyncConnection, school_id: int, class_ids: Collection[int]
) -> list[TimedSession]:
    """The active sessions of these classes of a school, by class and period, each with its times."""
    c = session_times.c
    found = (
        select(sessions.c.id, sessions.c.class_id, sessions.c.period, sessions.c.title, sessions.c.active)
        .add_columns(c.weekday, c.begins, c.ends)
        .join(classes, classes.c.id == sessions.c.class_id)
        .outerjoin(session_times, c.session_id == sessions.c.id)
        .where(classes.c.school_id == school_id, sessions.c.class_id.in_(sorted(class_ids)), sessions.c.active)
        .order_by(sessions.c.class_id, sessions.c.period, sessions.c.id, c.weekday, c.begins)
    )
    by_session: dict[SessionRow, list[SessionTime]] = {}
    for *session, weekday, begins, ends in await connection.execute(found):
        times = by_session.setdefault(SessionRow(*session), [])
        if weekday is not None:
            times.append(SessionTime(weekday, begins, ends))
    return list(by_session.items())


async def replace_times(connection: AsyncConnection, times: Mapping[int, Sequence[SessionTime]]) -> None:
    """Replaces all times of each of these sessions."""
    session_ids = input_rows({"session_id": session_id} for session_id in times)
    if connection.dialect.name != "sqlite":  # SQLite has one writer
        await _LOCK_SCHOOLS.fetch_all(connection, session_ids)
    await _DELETE_TIMES.fetch_all(connection, session_ids)
    rows = [{"session_id": session_id, **asdict(time)} for session_id, each in times.items() for time in each]
    if rows:
        await connection.execute(insert(session_times), rows)
    await mark_stale_sessions(connection, times.keys())


def has_begun(day: Day, weekday: ColumnElement[int], time: ColumnElement[str]) -> Collection[ColumnElement[bool]]:
    """Conditions on classes with their schools and sessions: the session is held on `day` and has begun by `time`.

    A session without times counts as begun.

    Args:
        day: the learning date.
        weekday: of that day, 1 is Monday.
        time: local 'HH:MM'; '' selects no session, '24:00' every session of the day.
    """
    own = session_times.c.session_id == sessions.c.id
    has_times = exists(select(session_times.c.id).where(own).correlate(sessions))
    begun = exists(
        select(session_times.c.id)
        .where(own, session_times.c.weekday == weekday, session_times.c.begins <= time)
        .correlate(sessions, schools)
    )
    return time != "", or_(begun, ~has_times), *is_open(day, weekday)


def is_open(day: Day, weekday: ColumnElement[int]) -> Collection[ColumnElement[bool]]:
    """Conditions on classes and sessions: the session can be held on `day`, as `Calendar.closure` has it."""
    return ~_is_closed(day, weekday), _is_in_terms(day), _is_in_terms_of_class(day)


def _is_closed(day: Day, weekday: ColumnElement[int]) -> ColumnElement[bool]:
    c = closed_days.c
    first = (
        select(func.min(session_times.c.begins))
        .where(session_times.c.session_id == sessions.c.id, session_times.c.weekday == weekday)
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
