"""Times of sessions, and the conditions under which a session is held on a day."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import ColumnElement, exists, func, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.platform.database.input_rows import asking, rows_asked
from adsum.platform.database.validity import Day, valid_on
from adsum.roster.rules import SessionRow
from adsum.roster.tables import classes, session_times, sessions
from adsum.schools.calendar.rules import SessionTime
from adsum.schools.stale_days import mark_stale_sessions
from adsum.schools.tables import closed_days, schools, terms

# As `lock_school` does: neither does anybody else replace them meanwhile, nor summarise what is recorded in them.
_LOCK_SCHOOLS = asking(
    """
SELECT id FROM schools
WHERE id IN (
    SELECT classes.school_id FROM classes JOIN sessions ON sessions.class_id = classes.id
    WHERE sessions.id IN (SELECT session_id FROM asked)
)
ORDER BY id FOR NO KEY UPDATE""",
    {"session_id": "bigint"},
)
_FORGET = asking(
    "DELETE FROM session_times WHERE session_id IN (SELECT session_id FROM asked)", {"session_id": "bigint"}
)


@dataclass(frozen=True, slots=True)
class SessionPlace:
    """A session of a school, by everything that a timetable may call it. `period` is '' for the only one of a class."""

    session_id: int
    period: str
    class_id: int
    class_source_id: str | None


async def times_of(connection: AsyncConnection, session_id: int) -> list[SessionTime]:
    """The times of a session, from Monday morning on."""
    c = session_times.c
    found = select(c.weekday, c.begins, c.ends).where(c.session_id == session_id).order_by(c.weekday, c.begins)
    return [SessionTime(*row) for row in await connection.execute(found)]


async def times_by_session(
    connection: AsyncConnection, school_id: int, class_ids: Collection[int]
) -> list[tuple[SessionRow, list[SessionTime]]]:
    """The active sessions of these classes of a school, by class and period, each with its times in order."""
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
    """Gives each of these sessions these times, and no others."""
    asked = rows_asked({"session_id": session_id} for session_id in times)
    if connection.dialect.name != "sqlite":
        await _LOCK_SCHOOLS.fetch_all(connection, asked)
    await _FORGET.fetch_all(connection, asked)
    rows = [{"session_id": session_id, **asdict(time)} for session_id, each in times.items() for time in each]
    if rows:
        await connection.execute(insert(session_times), rows)
    await mark_stale_sessions(connection, times.keys())


async def sessions_of_school(connection: AsyncConnection, school_id: int) -> list[SessionPlace]:
    """The active sessions of the active classes of a school."""
    statement = (
        select(sessions.c.id, sessions.c.period, classes.c.id, classes.c.source_id)
        .join(classes, classes.c.id == sessions.c.class_id)
        .where(classes.c.school_id == school_id, classes.c.active, sessions.c.active)
    )
    return [SessionPlace(*row) for row in await connection.execute(statement)]


def is_held(day: Day, weekday: ColumnElement[int], time: ColumnElement[str]) -> Collection[ColumnElement[bool]]:
    """Conditions on rows of classes with their schools and sessions: by `time`, the session is to have begun on `day`.

    Args:
        day: in question.
        weekday: of that day, 1 is Monday.
        time: local 'HH:MM', by which the session has to have begun; '' keeps all out, '24:00' takes the whole day.
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
    """Conditions on rows of classes and sessions: on `day` the school is open for the session, as `is_held` has it."""
    return ~_is_closed(day, weekday), _is_in_terms(day)


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
    own = terms.c.school_id == classes.c.school_id
    has_terms = exists(select(terms.c.id).where(own).correlate(classes))
    return or_(~has_terms, exists(select(terms.c.id).where(own, valid_on(terms, day)).correlate_except(terms)))
