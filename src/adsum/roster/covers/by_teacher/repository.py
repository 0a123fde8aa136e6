"""Statements about the sessions of a day, and the teachers who have them."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Integer, String, and_, literal, null, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Role
from adsum.accounts.tables import class_covers, class_teachers, is_disabled, is_erased, users
from adsum.platform.database.columns import BigInt
from adsum.platform.database.validity import valid_on
from adsum.roster.covers.by_teacher.rules import Duty, HeldSession, Teacher
from adsum.roster.tables import classes, session_times, sessions
from adsum.roster.timetable.repository import can_meet, meets_by
from adsum.schools.tables import schools

_END_OF_DAY = "24:00"


async def teachers_of_school(connection: AsyncConnection, school_id: int) -> list[Teacher]:
    """The teachers of a school who can cover, as `is_teacher_of` has it."""
    c = users.c
    found = select(c.id, c.given_name, c.family_name, c.email).where(
        c.school_id == school_id, c.role == Role.TEACHER.value, ~is_disabled, ~is_erased
    )
    return [Teacher(*row) for row in await connection.execute(found)]


async def held_sessions(connection: AsyncConnection, school_id: int, day: date) -> list[HeldSession]:
    """The sessions of a school that are held on a day."""
    weekday = literal(day.isoweekday(), Integer)
    t = session_times.c
    times = and_(t.session_id == sessions.c.id, t.weekday == day.isoweekday(), valid_on(session_times, day))
    found = (
        select(sessions.c.id, sessions.c.title, classes.c.id, classes.c.title, t.begins, t.ends)
        .select_from(sessions)
        .join(classes, classes.c.id == sessions.c.class_id)
        .join(schools, schools.c.id == classes.c.school_id)
        .outerjoin(session_times, times)
        .where(classes.c.school_id == school_id)
        .where(*meets_by(day, weekday, literal(_END_OF_DAY, String)), *can_meet(day, weekday))
        .order_by(sessions.c.id, t.begins)
    )
    by_session: dict[tuple[int, str, int, str], list[tuple[str, str]]] = {}
    for session_id, title, class_id, class_title, begins, ends in await connection.execute(found):
        of_session = by_session.setdefault((session_id, title, class_id, class_title), [])
        if begins is not None:
            of_session.append((begins, ends))
    return [HeldSession(*session, tuple(held)) for session, held in by_session.items()]


async def duties_of_day(connection: AsyncConnection, school_id: int, day: date) -> list[Duty]:
    """The teachers of the classes of a school on a day, and those who cover them."""
    t, c = class_teachers.c, class_covers.c
    teaching = (
        select(t.user_id, t.class_id, null().cast(BigInt), literal(0, Integer))
        .join(classes, classes.c.id == t.class_id)
        .where(classes.c.school_id == school_id, valid_on(class_teachers, day))
    )
    covering = select(c.user_id, c.class_id, c.session_id, literal(1, Integer)).where(
        c.school_id == school_id, valid_on(class_covers, day)
    )
    rows = await connection.execute(teaching.union_all(covering))
    return [Duty(user_id, class_id, session_id, bool(is_cover)) for user_id, class_id, session_id, is_cover in rows]
