"""Setting the sessions of classes to what was staged."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, exists, insert, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.roster.importing.staging import import_schools, import_sessions
from adsum.roster.tables import classes, sessions


async def set_sessions(connection: AsyncConnection) -> tuple[int, int, int]:
    """Sets the sessions of the staged classes, and ends those of classes that ended: (added, changed, ended)."""
    staged = import_sessions
    same = and_(staged.c.class_id == sessions.c.class_id, staged.c.period == sessions.c.period)
    ended = update(sessions).where(sessions.c.active, _ended_session(same)).values(active=False)
    changed = (
        update(sessions)
        .values(title=staged.c.title, active=True)
        .where(same, or_(sessions.c.title != staged.c.title, not_(sessions.c.active)))
    )
    added = insert(sessions).from_select(
        ["class_id", "period", "title"],
        select(staged.c.class_id, staged.c.period, staged.c.title)
        .where(not_(exists().where(same)))
        .order_by(staged.c.class_id, staged.c.period),
    )
    count_ended = (await connection.execute(ended)).rowcount
    count_changed = (await connection.execute(changed)).rowcount
    return (await connection.execute(added)).rowcount, count_changed, count_ended


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
