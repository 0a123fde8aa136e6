"""Of whom a report may speak: summaries narrowed to what is asked for and to what the caller sees.

Whoever sees a school reads `student_days`; for a teacher the same is made of the runs of their own classes, on the days
on which they taught them. A whole year is read by the month where it can be: `parts_seen`.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Select, Subquery, case, literal, not_, or_, select

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_fully_visible_class, in_visible_session
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.batches.tables import batch_runs
from adsum.platform.database.validity import valid_on
from adsum.reports.day_totals import COUNTED, SUMMED, is_absent
from adsum.reports.rules import Scope, whole_months
from adsum.reports.summaries_repository import days_of_classes, days_of_students
from adsum.reports.tables import class_days, student_days, student_months
from adsum.roster.tables import enrolments, students

Days: TypeAlias = Subquery
"""Days of students, with the columns of `student_days`."""

Parts: TypeAlias = Subquery
"""Months and single days of students, with the columns of `student_months` but for its school and month."""

_PARTS = ("student_id", *COUNTED, "attended_on", "absent_after", "absent_from")


def parts_seen(caller: Caller, scope: Scope, statuses: SchoolStatuses) -> Parts:
    """The same as `days_seen`, put together by the month where a month is asked for as a whole."""
    months = whole_months(scope.first_day, scope.last_day)
    # Who was in a class is a matter of each day, and what a teacher sees is summarised nowhere.
    if months is None or caller.teaches_only or scope.class_id is not None:
        return _parts(days_seen(caller, scope, statuses)).subquery("part")
    begin, end = months
    c, day = student_months.c, student_days.c.day
    whole = select(*(c[name] for name in _PARTS)).where(c.school_id == scope.school_id, c.month >= begin, c.month < end)
    rest = _of_school(scope).where(or_(day < begin, day >= end)).subquery("rest")
    return _narrowed(whole, c.student_id, scope).union_all(_parts(rest)).subquery("part")


def days_seen(caller: Caller, scope: Scope, statuses: SchoolStatuses) -> Days:
    """The days of students of whom a report may speak, with the columns of `student_days`."""
    rows = _of_own_classes(caller, scope, statuses) if caller.teaches_only else _of_school(scope)
    return rows.subquery("seen")


def _of_school(scope: Scope) -> Select[*tuple[Any, ...]]:
    c = student_days.c
    statement = select(student_days).where(_whose(scope), c.day >= scope.first_day, c.day <= scope.last_day)
    if scope.class_id is not None:
        enrolled = select(enrolments.c.id).where(
            enrolments.c.class_id == scope.class_id,
            enrolments.c.student_id == c.student_id,
            valid_on(enrolments, c.day),
        )
        statement = statement.where(enrolled.correlate(student_days).exists())
    return _narrowed(statement, c.student_id, scope)


def _whose(scope: Scope) -> ColumnElement[bool]:
    """All of the school; or, so that only their days are looked at, one student of it."""
    c = student_days.c
    if scope.student_id is None:
        return c.school_id == scope.school_id
    s = students.c
    one = select(s.id).where(s.id == scope.student_id, s.school_id == scope.school_id)
    return c.student_id == one.scalar_subquery()


def _of_own_classes(caller: Caller, scope: Scope, statuses: SchoolStatuses) -> Select[*tuple[Any, ...]]:
    own = days_of_students(scope.school_id, _own_runs(caller, scope), statuses).subquery("own")
    return _narrowed(select(own), own.c.student_id, scope)


def _own_runs(caller: Caller, scope: Scope) -> list[ColumnElement[bool]]:
    r = batch_runs.c
    own = [
        *(r.school_id == scope.school_id, r.learning_date >= scope.first_day, r.learning_date <= scope.last_day),
        in_visible_session(caller, r.class_id, r.session_id, r.learning_date),
    ]
    return own if scope.class_id is None else [*own, r.class_id == scope.class_id]


def _narrowed(
    statement: Select[*tuple[Any, ...]], student_id: ColumnElement[int], scope: Scope
) -> Select[*tuple[Any, ...]]:
    if scope.student_id is not None:
        statement = statement.where(student_id == scope.student_id)
    if scope.grade is not None:
        of_grade = select(students.c.id).where(students.c.school_id == scope.school_id, students.c.grade == scope.grade)
        statement = statement.where(student_id.in_(of_grade))
    return statement


def classes_seen(caller: Caller, scope: Scope, statuses: SchoolStatuses) -> Subquery:
    """Days of classes; of those in which a teacher covers one session alone they are made of the runs of that one."""
    c, r = class_days.c, batch_runs.c
    names = ("day", "class_id", *COUNTED)
    whole = select(*(c[name] for name in names)).where(
        *(c.school_id == scope.school_id, c.day >= scope.first_day, c.day <= scope.last_day),
        in_fully_visible_class(caller, c.class_id, c.day),
    )
    if scope.class_id is not None:
        whole = whole.where(c.class_id == scope.class_id)
    if not caller.teaches_only:
        return whole.subquery("class_seen")
    covered = [*_own_runs(caller, scope), not_(in_fully_visible_class(caller, r.class_id, r.learning_date))]
    single = days_of_classes(scope.school_id, covered, statuses).subquery("single")
    return whole.union_all(select(*(single.c[name] for name in names))).subquery("class_seen")


def _parts(of: Days) -> Select[*tuple[Any, ...]]:
    """Each day as if it were a month of its own."""
    c, absent = of.c, is_absent(of.c)
    return select(
        *(c.student_id, *(c[name] for name in SUMMED)),
        literal(1).label("days"),
        case((absent, 1), else_=0).label("days_absent"),
        case((~absent, c.day)).label("attended_on"),
        case((absent, 1), else_=0).label("absent_after"),
        case((absent, c.day)).label("absent_from"),
    )
