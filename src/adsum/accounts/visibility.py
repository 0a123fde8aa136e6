"""Which rows a caller may see: the one definition, as conditions of SQLAlchemy Core.

- A caller sees no row of a school outside `Caller.schools`.
- A teacher sees the classes that are assigned to them on the day in question. That day is the date of a roster, the
  learning date of a record, and today for a list.
- A cover gives the same rights as an assignment. A cover of one session shows the class and its roster, but only the
  records of that session.

Two statements in files repeat the rule, and `tests/registers/test_visibility_in_statements.py` compares them with these
functions. `batches/sql/class_contexts.*.sql` returns the days on which a user teaches, on which
`ClassContext.is_visible_to` decides. `registers/sql/register_details.*.sql` has the form that the functions produce:

    EXISTS (
      SELECT 1
      FROM (
        SELECT t.class_id, CAST(NULL AS bigint) AS session_id, t.begin_date, t.end_date
        FROM class_teachers t WHERE t.user_id = :user_id
        UNION ALL
        SELECT c.class_id, c.session_id, c.begin_date, c.end_date
        FROM class_covers c WHERE c.user_id = :user_id
      ) taught
      WHERE taught.class_id = x.class_id
        AND (taught.begin_date IS NULL OR taught.begin_date <= x.day)
        AND (taught.end_date IS NULL OR taught.end_date > x.day)
        AND CASE WHEN taught.session_id IS NULL THEN TRUE ELSE taught.session_id = x.session_id END
    )

To show classes to more callers, such as a head of year, add a SELECT to `_taught_by` and to the two statements, and
keep the role teacher: `Caller.teaches_only` decides everywhere that its bearer sees only these classes. A class has no
grade; its students have one.

The last condition applies to single sessions (`in_visible_session`). `in_visible_class` leaves it out, and
`in_fully_visible_class` has `taught.session_id IS NULL` instead.
"""

from __future__ import annotations

from sqlalchemy import BindParameter, ColumnElement, Select, Subquery, case, exists, literal, null, select, true

from adsum.accounts.access import Caller, Permission
from adsum.accounts.tables import class_covers, class_teachers
from adsum.platform.database.columns import BigInt
from adsum.platform.database.validity import Day, valid_on

UserId = int | None | BindParameter[int]
"""The id of a user, or a bound parameter where one statement serves all users."""


def in_visible_school(caller: Caller, school_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Rows of the schools that the caller may see."""
    return true() if caller.schools is None else school_id.in_(sorted(caller.schools))


def sees_names(caller: Caller) -> bool:
    """Whether lists, reports and imports name students, classes and sessions beside their source ids."""
    return caller.may(Permission.ROSTER_READ)


def can_see_school(caller: Caller, school_id: int) -> bool:
    """The same rule for one school id, without a query."""
    return caller.schools is None or school_id in caller.schools


def in_visible_class(caller: Caller, class_id: ColumnElement[int], day: Day | None) -> ColumnElement[bool]:
    """Rows of classes that the caller may see on `day`, or on any day if it is None. Does not check the school."""
    return _is_among(_taught_by(caller.user_id), class_id, day) if caller.teaches_only else true()


def taught_classes(caller: Caller, day: Day) -> Select[int]:
    """The ids of the classes that a teacher sees on `day`: the rule of `in_visible_class`, for searches that begin with
    the few classes of a teacher.
    """
    taught = _taught_by(caller.user_id)
    return select(taught.c.class_id).where(valid_on(taught, day))


def in_visible_session(
    caller: Caller, class_id: ColumnElement[int], session_id: ColumnElement[int], day: Day
) -> ColumnElement[bool]:
    """Rows that belong to one session of a class, such as records. Does not check the school."""
    return is_taught_by(caller.user_id, class_id, session_id, day) if caller.teaches_only else true()


def in_fully_visible_class(caller: Caller, class_id: ColumnElement[int], day: Day) -> ColumnElement[bool]:
    """Rows that combine all sessions of a class, such as summaries. Does not check the school."""
    taught = _taught_by(caller.user_id)
    return _is_among(taught, class_id, day, taught.c.session_id.is_(None)) if caller.teaches_only else true()


def is_taught_by(
    user_id: UserId, class_id: ColumnElement[int], session_id: ColumnElement[int], day: Day
) -> ColumnElement[bool]:
    """Sessions that the user teaches or covers on `day`. `ClassContext.is_visible_to` is the same rule in Python."""
    taught = _taught_by(user_id)
    # CASE instead of OR: Postgres underestimates the rows that the OR keeps, and chooses a slow plan.
    of_session = case((taught.c.session_id.is_(None), true()), else_=taught.c.session_id == session_id)
    return _is_among(taught, class_id, day, of_session)


def _taught_by(user_id: UserId) -> Subquery:
    """Assignments and covers of a user. `session_id` NULL means the whole class."""
    t, c = class_teachers.c, class_covers.c
    all_sessions = null().cast(BigInt).label("session_id")
    assigned = select(t.class_id, all_sessions, t.begin_date, t.end_date).where(t.user_id == user_id)
    covering = select(c.class_id, c.session_id, c.begin_date, c.end_date).where(c.user_id == user_id)
    return assigned.union_all(covering).subquery("taught")


def _is_among(
    taught: Subquery, class_id: ColumnElement[int], day: Day | None, *conditions: ColumnElement[bool]
) -> ColumnElement[bool]:
    # One EXISTS over the union: with two EXISTS and an OR Postgres makes no join, and lists took 5 times as long.
    found = select(literal(1)).where(taught.c.class_id == class_id, *conditions)
    return exists(found if day is None else found.where(valid_on(taught, day)))
