"""The validity of sessions: the days on which a session belongs to the roster, whether or not it meets on them.

- The sessions with which a class starts are valid since ever: those that appear before anything is recorded in the
  class, and before one of its sessions ends.
- A session that appears later is valid from that day on.
- A session that leaves the roster, or whose class does, ends on that day. If it comes back, the days between are a gap.

"That day" is the school's today when the roster changes, or a day that the caller names. The validity follows
`sessions.active` and `classes.active`, which say what the newest roster has.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    FromClause,
    Select,
    and_,
    case,
    delete,
    exists,
    insert,
    literal,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.platform.database.columns import BigInt
from adsum.platform.database.sql_files import input_rows, sql_file
from adsum.platform.database.validity import Day, valid_on
from adsum.roster.tables import classes, session_gaps, sessions

_START_CLASSES = sql_file("adsum.roster", "start_classes")


def is_valid(day: Day) -> ColumnElement[bool]:
    """The condition on rows of `sessions` that are valid on `day`."""
    of_session = select(session_gaps.c.session_id).where(session_gaps.c.session_id == sessions.c.id)
    gap = of_session.where(valid_on(session_gaps, day)).correlate_except(session_gaps)
    return and_(valid_on(sessions, day), ~exists(gap))


def day_of_school(school_id: int, day: date) -> FromClause:
    """The `days` of a change of one school."""
    columns = literal(school_id, BigInt).label("school_id"), literal(day, Date).label("day")
    return select(*columns).subquery("days")


async def start_classes(connection: AsyncConnection, new_ids: Collection[int]) -> None:
    """Makes those of these new sessions valid since ever with which their class starts."""
    if new_ids:
        await _START_CLASSES.fetch_all(connection, input_rows({"session_id": new_id} for new_id in new_ids))


async def follow_roster(connection: AsyncConnection, days: FromClause, class_id: int | None = None) -> None:
    """Ends the sessions that the roster no longer has, and continues those that it has again.

    Args:
        connection: of a transaction that has changed `active` of sessions or classes.
        days: with the columns `school_id` and `day`: the day of the change in each school.
        class_id: only the sessions of this class; None: those of all classes of these schools.
    """
    s, gaps = sessions.c, session_gaps.c
    day = _day_of_session(days)
    ended = _sessions(days, class_id).where(s.end_date.is_(None), not_(_is_in_roster()))
    await connection.execute(
        update(sessions)
        .where(s.id.in_(ended.with_only_columns(s.id)))
        .values(end_date=case((s.begin_date > day, s.begin_date), else_=day))
    )
    is_empty = s.begin_date >= s.end_date
    returned = _sessions(days, class_id).where(s.end_date.is_not(None), _is_in_roster())
    with_gap = returned.where(s.end_date < days.c.day, or_(s.begin_date.is_(None), not_(is_empty)))
    # The new gap replaces those that begin with it or later: the session was not in the roster from its end on.
    replaced = exists(with_gap.with_only_columns(s.id).where(s.id == gaps.session_id, s.end_date <= gaps.begin_date))
    await connection.execute(delete(session_gaps).where(replaced))
    await connection.execute(
        insert(session_gaps).from_select(
            ["session_id", "begin_date", "end_date"], with_gap.with_only_columns(s.id, s.end_date, days.c.day)
        )
    )
    await connection.execute(
        update(sessions)
        .where(s.id.in_(returned.with_only_columns(s.id)))
        .values(begin_date=case((is_empty, day), else_=s.begin_date), end_date=None)
    )


def _sessions(days: FromClause, class_id: int | None) -> Select[*tuple[Any, ...]]:
    found = (
        select(sessions.c.id)
        .join(classes, classes.c.id == sessions.c.class_id)
        .join(days, days.c.school_id == classes.c.school_id)
    )
    return found if class_id is None else found.where(classes.c.id == class_id)


def _is_in_roster() -> ColumnElement[bool]:
    return and_(sessions.c.active, classes.c.active)


def _day_of_session(days: FromClause) -> ColumnElement[date]:
    day = select(days.c.day).join(classes, classes.c.school_id == days.c.school_id)
    return day.where(classes.c.id == sessions.c.class_id).correlate(sessions).scalar_subquery()
