"""Applies staged sessions to the roster."""

from __future__ import annotations

from datetime import date
from functools import cache, lru_cache

from sqlalchemy import (
    ColumnElement,
    Date,
    Subquery,
    Update,
    and_,
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
from sqlalchemy.sql.dml import ReturningInsert

from adsum.roster.importing.tables import import_schools, import_sessions
from adsum.roster.repository.session_validity import follow_roster, start_classes
from adsum.roster.tables import classes, sessions


async def apply_sessions(connection: AsyncConnection, valid_from: date | None) -> tuple[int, int, int]:
    """Applies the staged sessions, and ends sessions of ended classes: (added, changed, ended).

    Validities begin and end on `valid_from`; None: on the school's today.
    """
    days = _days_of_schools(valid_from)
    count_ended = (await connection.execute(_end_sessions())).rowcount
    count_changed = (await connection.execute(_change_sessions())).rowcount
    new_ids = list(await connection.scalars(_add_sessions(days)))
    await follow_roster(connection, days)
    if valid_from is None:
        await start_classes(connection, new_ids)
    return len(new_ids), count_changed, count_ended


@lru_cache
def _days_of_schools(valid_from: date | None) -> Subquery:
    day = func.coalesce(literal(valid_from, Date), import_schools.c.today)
    return select(import_schools.c.school_id, day.label("day")).subquery("days")


def _is_same_session() -> ColumnElement[bool]:
    staged = import_sessions.c
    return and_(staged.class_id == sessions.c.class_id, staged.period == sessions.c.period)


@cache
def _end_sessions() -> Update:
    return update(sessions).where(sessions.c.active, _ended_session(_is_same_session())).values(active=False)


@cache
def _change_sessions() -> Update:
    title = import_sessions.c.title
    differs = or_(sessions.c.title != title, not_(sessions.c.active))
    return update(sessions).values(title=title, active=True).where(_is_same_session(), differs)


@lru_cache
def _add_sessions(days: Subquery) -> ReturningInsert[int]:
    staged = import_sessions
    new = (
        select(staged.c.class_id, staged.c.period, staged.c.title, days.c.day)
        .join(classes, classes.c.id == staged.c.class_id)
        .join(days, days.c.school_id == classes.c.school_id)
        .where(not_(exists().where(_is_same_session())))
        .order_by(staged.c.class_id, staged.c.period)
    )
    added = insert(sessions).from_select(["class_id", "period", "title", "begin_date"], new)
    return added.returning(sessions.c.id)


def _ended_session(same: ColumnElement[bool]) -> ColumnElement[bool]:
    of_ended_class = (
        select(classes.c.id)
        .join(import_schools, import_schools.c.school_id == classes.c.school_id)
        .where(not_(classes.c.active))
    )
    return or_(
        sessions.c.class_id.in_(of_ended_class),
        and_(sessions.c.class_id.in_(select(import_sessions.c.class_id)), not_(exists().where(same))),
    )
