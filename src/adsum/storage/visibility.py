"""What a caller may see, as conditions of a query: the one place that says so.

Nobody sees another school; a teacher sees the classes that they are assigned to on the day concerned: of a roster its
day, of a record its learning date, of a list today.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, exists, select, true

from adsum.domain.access import Caller
from adsum.storage.spans import Day, covers
from adsum.storage.tables import class_teachers


def sees_school(caller: Caller, school_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Rows of the schools that the caller is confined to."""
    return true() if caller.schools is None else school_id.in_(sorted(caller.schools))


def sees_class(caller: Caller, class_id: ColumnElement[int], day: Day | None) -> ColumnElement[bool]:
    """Rows of classes that the caller sees on `day`, or, where it is None, on any day. Schools are not looked at."""
    if not caller.teaches_only:
        return true()
    assigned = select(class_teachers.c.id).where(
        class_teachers.c.user_id == caller.user_id, class_teachers.c.class_id == class_id
    )
    return exists(assigned if day is None else assigned.where(covers(class_teachers, day)))
