"""Sessions: the periods in which a class meets."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_class, in_visible_school, in_visible_session
from adsum.platform.database.validity import Day
from adsum.platform.ids import MAX_ID
from adsum.roster.filters import SessionFilters
from adsum.roster.tables import classes, sessions
from adsum.schools.tables import schools


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session. `period` is '' for the default session of a class without periods."""

    id: int
    class_id: int
    period: str
    title: str
    active: bool


async def list_sessions(
    connection: AsyncConnection, caller: Caller, filters: SessionFilters, today: Day, after: int, limit: int
) -> list[SessionRow]:
    """At most `limit` sessions that the caller sees `today`, by id, from beyond the id `after`."""
    statement = (
        _sessions()
        .join(classes, classes.c.id == sessions.c.class_id)
        .join(schools, schools.c.id == classes.c.school_id)
        .where(
            in_visible_school(caller, classes.c.school_id),
            in_visible_session(caller, classes.c.id, sessions.c.id, today),
            sessions.c.id > after,
        )
        .order_by(sessions.c.id)
        .limit(limit)
    )
    if filters.class_id is not None:
        statement = statement.where(sessions.c.class_id == filters.class_id)
    return [SessionRow(*row) for row in await connection.execute(statement)]


async def find_session(connection: AsyncConnection, session_id: int) -> SessionRow | None:
    """The session, whoever may see its class."""
    row = (await connection.execute(_sessions().where(sessions.c.id == session_id))).one_or_none()
    return None if row is None else SessionRow(*row)


@dataclass(frozen=True, slots=True)
class SessionTitles:
    """What a session and its class are called."""

    class_title: str
    title: str


async def titles_of_sessions(
    connection: AsyncConnection, caller: Caller, session_ids: Collection[int]
) -> dict[int, SessionTitles]:
    """By session, the titles: of those of these that the caller sees, a teacher those that they ever taught."""
    found = (
        select(sessions.c.id, classes.c.title, sessions.c.title)
        .join(classes, classes.c.id == sessions.c.class_id)
        .where(
            sessions.c.id.in_(session_ids),
            in_visible_school(caller, classes.c.school_id),
            in_visible_class(caller, classes.c.id, None),
        )
    )
    return {session_id: SessionTitles(*titles) for session_id, *titles in await connection.execute(found)}


async def sessions_among(
    connection: AsyncConnection, school_ids: Collection[int], session_ids: Collection[int]
) -> frozenset[int]:
    """Of these ids, those of sessions of these schools."""
    storable = [session_id for session_id in session_ids if 1 <= session_id <= MAX_ID]
    found = (
        select(sessions.c.id)
        .join(classes, classes.c.id == sessions.c.class_id)
        .where(sessions.c.id.in_(storable), classes.c.school_id.in_(list(school_ids)))
    )
    return frozenset(await connection.scalars(found))


def _sessions() -> Select[int, int, str, str, bool]:
    return select(sessions.c.id, sessions.c.class_id, sessions.c.period, sessions.c.title, sessions.c.active)
