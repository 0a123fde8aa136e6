"""What a caller may see, as conditions of a query: the one place that says so.

Nobody sees another school; a teacher sees the classes that they are assigned to on the day concerned: of a roster its
day, of a record its learning date, of a list today. Who covers a class stands there as if they were assigned to it; who
covers one session of it sees the class and who is in it, and of what is recorded that session alone.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists, or_, select, true

from adsum.domain.access import Caller
from adsum.storage.spans import Day, covers
from adsum.storage.tables import class_covers, class_teachers


def sees_school(caller: Caller, school_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Rows of the schools that the caller is confined to."""
    return true() if caller.schools is None else school_id.in_(sorted(caller.schools))


def sees_class(caller: Caller, class_id: ColumnElement[int], day: Day | None) -> ColumnElement[bool]:
    """Rows of classes that the caller sees on `day`, or, where it is None, on any day. Schools are not looked at."""
    return _taught(caller.user_id, class_id, day, true()) if caller.teaches_only else true()


def sees_session(
    caller: Caller, class_id: ColumnElement[int], session_id: ColumnElement[int], day: Day
) -> ColumnElement[bool]:
    """Rows of single sessions of classes, such as what is recorded in them."""
    return is_taught_by(caller.user_id, class_id, session_id, day) if caller.teaches_only else true()


def sees_all_of_class(caller: Caller, class_id: ColumnElement[int], day: Day) -> ColumnElement[bool]:
    """Rows that put together all sessions of a class."""
    return (
        _taught(caller.user_id, class_id, day, class_covers.c.session_id.is_(None)) if caller.teaches_only else true()
    )


def is_taught_by(
    user_id: int | None, class_id: ColumnElement[int], session_id: ColumnElement[int], day: Day
) -> ColumnElement[bool]:
    """Whether this is who teaches the session, or covers it."""
    c = class_covers.c
    return _taught(user_id, class_id, day, or_(c.session_id.is_(None), c.session_id == session_id))


def _taught(
    user_id: int | None, class_id: ColumnElement[int], day: Day | None, part: ColumnElement[bool]
) -> ColumnElement[bool]:
    """`part`: of the class, as a condition on covers."""
    t, c = class_teachers.c, class_covers.c
    assigned = select(t.id).where(t.user_id == user_id, t.class_id == class_id)
    covering = select(c.id).where(c.user_id == user_id, c.class_id == class_id, part)
    if day is None:
        return or_(exists(assigned), exists(covering))
    return or_(exists(assigned.where(covers(class_teachers, day))), exists(covering.where(covers(class_covers, day))))
