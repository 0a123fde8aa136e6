"""What a caller may see, as conditions of a query: the one place that says so.

Nobody sees another school; a teacher sees the classes that they are assigned to on the day concerned: of a roster its
day, of a record its learning date, of a list today. Who covers a class stands there as if they were assigned to it; who
covers one session of it sees the class and who is in it, and of what is recorded that session alone.
"""

from __future__ import annotations

from sqlalchemy import BindParameter, ColumnElement, Subquery, case, exists, literal, null, select, true

from adsum.accounts.access import Caller
from adsum.accounts.tables import class_covers, class_teachers
from adsum.platform.database.columns import BigInt
from adsum.platform.database.validity import Day, covers

UserId = int | None | BindParameter[int]
"""Of a user; where a statement is made for all of them, what stands for it."""


def sees_school(caller: Caller, school_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Rows of the schools that the caller is confined to."""
    return true() if caller.schools is None else school_id.in_(sorted(caller.schools))


def is_school_seen(caller: Caller, school_id: int) -> bool:
    """The same of one school, of which the rows are at hand."""
    return caller.schools is None or school_id in caller.schools


def sees_class(caller: Caller, class_id: ColumnElement[int], day: Day | None) -> ColumnElement[bool]:
    """Rows of classes that the caller sees on `day`, or, where it is None, on any day. Schools are not looked at."""
    return _is_among(_taught_by(caller.user_id), class_id, day) if caller.teaches_only else true()


def sees_session(
    caller: Caller, class_id: ColumnElement[int], session_id: ColumnElement[int], day: Day
) -> ColumnElement[bool]:
    """Rows of single sessions of classes, such as what is recorded in them."""
    return is_taught_by(caller.user_id, class_id, session_id, day) if caller.teaches_only else true()


def sees_all_of_class(caller: Caller, class_id: ColumnElement[int], day: Day) -> ColumnElement[bool]:
    """Rows that put together all sessions of a class."""
    taught = _taught_by(caller.user_id)
    return _is_among(taught, class_id, day, taught.c.session_id.is_(None)) if caller.teaches_only else true()


def is_taught_by(
    user_id: UserId, class_id: ColumnElement[int], session_id: ColumnElement[int], day: Day
) -> ColumnElement[bool]:
    """Whether this is who teaches the session, or covers it."""
    taught = _taught_by(user_id)
    # Not an OR: of that Postgres thinks that it lets hardly any row pass, and plans for it.
    of_session = case((taught.c.session_id.is_(None), true()), else_=taught.c.session_id == session_id)
    return _is_among(taught, class_id, day, of_session)


def _taught_by(user_id: UserId) -> Subquery:
    """What somebody teaches or covers, and when. `session_id` NULL: all of the class."""
    t, c = class_teachers.c, class_covers.c
    all_sessions = null().cast(BigInt).label("session_id")
    assigned = select(t.class_id, all_sessions, t.begin_date, t.end_date).where(t.user_id == user_id)
    covering = select(c.class_id, c.session_id, c.begin_date, c.end_date).where(c.user_id == user_id)
    return assigned.union_all(covering).subquery("taught")


def _is_among(
    taught: Subquery, class_id: ColumnElement[int], day: Day | None, *of: ColumnElement[bool]
) -> ColumnElement[bool]:
    # One EXISTS of both: of two, with an OR, Postgres makes no join, and a teacher's lists took five times as long.
    found = select(literal(1)).where(taught.c.class_id == class_id, *of)
    return exists(found if day is None else found.where(covers(taught, day)))
