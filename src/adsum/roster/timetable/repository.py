"""Times of sessions: reading them, and replacing all of a session's."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_school, in_visible_session
from adsum.platform.database.input_rows import asking, rows_asked
from adsum.platform.database.validity import Day
from adsum.roster.sessions import SessionRow
from adsum.roster.tables import classes, session_times, sessions
from adsum.schools.calendar.rules import SessionTime
from adsum.schools.stale_days import forget_sessions
from adsum.schools.tables import schools

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


async def is_session_seen(connection: AsyncConnection, caller: Caller, session_id: int, today: Day) -> bool:
    """Whether there is such a session, and the caller sees it `today`."""
    found = (
        select(sessions.c.id)
        .join(classes, classes.c.id == sessions.c.class_id)
        .join(schools, schools.c.id == classes.c.school_id)
        .where(
            sessions.c.id == session_id,
            in_visible_school(caller, classes.c.school_id),
            in_visible_session(caller, classes.c.id, sessions.c.id, today),
        )
    )
    return await connection.scalar(found) is not None


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
    await forget_sessions(connection, times.keys())


async def sessions_of_school(connection: AsyncConnection, school_id: int) -> list[SessionPlace]:
    """The active sessions of the active classes of a school."""
    statement = (
        select(sessions.c.id, sessions.c.period, classes.c.id, classes.c.source_id)
        .join(classes, classes.c.id == sessions.c.class_id)
        .where(classes.c.school_id == school_id, classes.c.active, sessions.c.active)
    )
    return [SessionPlace(*row) for row in await connection.execute(statement)]
