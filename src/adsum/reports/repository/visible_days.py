"""The days of students and classes that a report may count for its caller.

A caller who sees the whole school reads the summary tables. For a teacher the same rows are made of the runs of the
classes and sessions that they teach or cover on the day. Whole months are read from `student_months`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Select,
    Subquery,
    Table,
    and_,
    case,
    literal,
    not_,
    or_,
    select,
)

from adsum.accounts.access import Caller
from adsum.accounts.visibility import (
    in_fully_visible_class,
    in_visible_school,
    in_visible_session,
)
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.attendance.tables import attendances
from adsum.batches.tables import batch_runs
from adsum.platform.database.validity import valid_on
from adsum.reports.repository.summaries import (
    COUNTED,
    MINUTES,
    SUMMED,
    days_of_classes,
    days_of_students,
    is_absent,
)
from adsum.reports.rules import Scope, whole_months
from adsum.reports.tables import class_days, student_days, student_months
from adsum.roster.repository.membership import student_in_school
from adsum.roster.repository.students import is_in_grade
from adsum.roster.tables import enrolments, student_schools, students

VisibleDays: TypeAlias = Subquery
"""Days of students, with the columns of `student_days`."""

VisiblePeriods: TypeAlias = Subquery
"""Months and single days of students, with the columns of `student_months` except the school and the month."""

_PERIOD_COLUMNS = ("student_id", *COUNTED, "attended_on", "absent_after", "absent_from")


def visible_periods(caller: Caller, scope: Scope, statuses: SchoolStatuses) -> VisiblePeriods:
    """The rows of `visible_days`, with one row for each whole month where `student_months` can be read."""
    months = whole_months(scope.first_day, scope.last_day)
    # Enrolment in a class is a fact of a day, and the rows of a teacher are not in the summary tables.
    if months is None or caller.teaches_only or scope.class_id is not None:
        return _as_periods(visible_days(caller, scope, statuses)).subquery("period")
    begin, end = months
    c = student_months.c
    columns = (c[name] for name in _PERIOD_COLUMNS)
    whole = select(*columns).where(c.school_id == scope.school_id, c.month >= begin, c.month < end)
    before = _days_in_school(replace(scope, last_day=begin - timedelta(days=1)))
    after = _days_in_school(replace(scope, first_day=end))
    days = before.union_all(after, _days_at_other_schools(scope)).subquery("single_day")
    return narrowed(whole, c.student_id, scope).union_all(_as_periods(days)).subquery("period")


def visible_days(caller: Caller, scope: Scope, statuses: SchoolStatuses, *, only_visible: bool = False) -> VisibleDays:
    """The days of students in the scope that count for the caller, with the columns of `student_days`.

    Without a class, the days of students at their other schools count at their home school. A caller who does not see
    such a school gets their sums alone: with `only_visible` its days are left out, as in all answers day by day.
    """
    if is_at_school(caller, scope):
        return days_at_school(caller, scope, statuses)
    elsewhere = _days_at_other_schools(scope)
    if only_visible:
        elsewhere = at_visible_schools(elsewhere, student_days, caller)
    return _days_in_school(scope).union_all(elsewhere).subquery("visible_day")


def is_at_school(caller: Caller, scope: Scope) -> bool:
    """Whether days of students are those at the school of the scope alone."""
    return caller.teaches_only or scope.class_id is not None


def days_at_school(caller: Caller, scope: Scope, statuses: SchoolStatuses) -> VisibleDays:
    """As `visible_days`, without days at other schools."""
    rows = _days_in_own_classes(caller, scope, statuses) if caller.teaches_only else _days_in_school(scope)
    return rows.subquery("visible_day")


def days_to_explain(caller: Caller, scope: Scope, statuses: SchoolStatuses, *, by_minutes: bool) -> VisibleDays:
    """The `days_at_school` with an absence whose status is not authorised.

    Args:
        caller: who reads.
        scope: of the report.
        statuses: of the school.
        by_minutes: whether sessions may count as absent by the minutes that were missed, whatever their status. The
            summaries do not tell them apart; only records with an absent status can be explained.
    """
    days = days_at_school(caller, scope, statuses)
    a, found = attendances.c, select(days).where(days.c.absent > days.c.authorised)
    if by_minutes:
        of_day = (a.student_id == days.c.student_id, a.learning_date == days.c.day, a.school_id == scope.school_id)
        visible = in_visible_session(caller, a.class_id, a.session_id, a.learning_date)
        explainable = select(a.id).where(*of_day, a.status.in_(statuses.unexplained), visible)
        found = found.where(explainable.correlate(days).exists())
    return found.subquery("to_explain")


def visible_class_days(caller: Caller, scope: Scope, statuses: SchoolStatuses) -> Subquery:
    """The days of classes in the scope that the caller sees.

    If a teacher covers one session of a class, the row is made of the runs of that session alone.
    """
    c, r = class_days.c, batch_runs.c
    names = ("day", "class_id", *COUNTED)
    whole = select(*(c[name] for name in names)).where(
        *(c.school_id == scope.school_id, c.day >= scope.first_day, c.day <= scope.last_day),
        in_fully_visible_class(caller, c.class_id, c.day),
    )
    if scope.class_id is not None:
        whole = whole.where(c.class_id == scope.class_id)
    if not caller.teaches_only:
        return whole.subquery("visible_class_day")
    covered = [*_visible_runs(caller, scope), not_(in_fully_visible_class(caller, r.class_id, r.learning_date))]
    covered_days = days_of_classes(scope.school_id, covered, statuses).subquery("covered")
    return whole.union_all(select(*(covered_days.c[name] for name in names))).subquery("visible_class_day")


def _days_in_school(scope: Scope) -> Select[*tuple[Any, ...]]:
    c = student_days.c
    statement = select(student_days).where(_is_in_school(scope), c.day >= scope.first_day, c.day <= scope.last_day)
    if scope.class_id is not None:
        enrolled = select(enrolments.c.id).where(
            enrolments.c.class_id == scope.class_id,
            enrolments.c.student_id == c.student_id,
            valid_on(enrolments, c.day),
        )
        statement = statement.where(enrolled.correlate(student_days).exists())
    return narrowed(statement, c.student_id, scope)


def _is_in_school(scope: Scope) -> ColumnElement[bool]:
    """Days of the school. For one student no index serves the condition, so that the index on the student is used."""
    c = student_days.c
    return (c.school_id if scope.student_id is None else c.school_id + 0) == scope.school_id


def _days_at_other_schools(scope: Scope) -> Select[*tuple[Any, ...]]:
    """The days at other schools that count at the home school."""
    c = student_days.c
    statement = select(student_days).where(c.day >= scope.first_day, c.day <= scope.last_day)
    return narrowed(at_other_schools(statement, student_days, scope), c.student_id, scope)


def at_other_schools(rows: Select[*tuple[Any, ...]], table: Table, scope: Scope) -> Select[*tuple[Any, ...]]:
    """Rows of another school about students whose home is the school of the scope, and who have no day there.

    Of two other schools the one with the lesser id counts, so that no day counts twice.
    """
    c, s, same_day = table.c, students.c, student_days.alias("same_day").c
    # Materialized, so that the few students of several schools are read first.
    of_home = (
        select(student_schools.c.student_id, student_schools.c.school_id)
        .join(students, s.id == student_schools.c.student_id)
        .where(s.school_id == scope.school_id)
    )
    elsewhere = narrowed(of_home, s.id, scope).cte("elsewhere").prefix_with("MATERIALIZED")
    counts_already = select(literal(1)).where(
        *(same_day.student_id == c.student_id, same_day.day == c.day),
        or_(same_day.school_id == scope.school_id, same_day.school_id < c.school_id),
    )
    is_elsewhere = and_(elsewhere.c.student_id == c.student_id, elsewhere.c.school_id == c.school_id)
    return rows.join(elsewhere, is_elsewhere).where(not_(counts_already.exists()))


def at_visible_schools(rows: Select[*tuple[Any, ...]], table: Table, caller: Caller) -> Select[*tuple[Any, ...]]:
    """The rows of the schools that the caller sees."""
    return rows.where(in_visible_school(caller, table.c.school_id))


def _days_in_own_classes(caller: Caller, scope: Scope, statuses: SchoolStatuses) -> Select[*tuple[Any, ...]]:
    own = days_of_students(scope.school_id, _visible_runs(caller, scope), statuses).subquery("own")
    return narrowed(select(own), own.c.student_id, scope)


def _visible_runs(caller: Caller, scope: Scope) -> list[ColumnElement[bool]]:
    r = batch_runs.c
    visible = [
        *(r.school_id == scope.school_id, r.learning_date >= scope.first_day, r.learning_date <= scope.last_day),
        in_visible_session(caller, r.class_id, r.session_id, r.learning_date),
    ]
    return visible if scope.class_id is None else [*visible, r.class_id == scope.class_id]


def narrowed(
    statement: Select[*tuple[Any, ...]], student_id: ColumnElement[int], scope: Scope
) -> Select[*tuple[Any, ...]]:
    """The rows of the scope's student, or of the students of its grade."""
    if scope.student_id is not None:
        statement = statement.where(student_id == scope.student_id)
    if scope.grade is not None:
        s = students.c
        statement = statement.where(
            student_id.in_(select(s.id).where(student_in_school(scope.school_id), is_in_grade(scope.grade)))
        )
    return statement


def _as_periods(days: VisibleDays) -> Select[*tuple[Any, ...]]:
    """Each day as a period of one day."""
    c, absent = days.c, is_absent(days.c)
    return select(
        *(c.student_id, *(c[name] for name in SUMMED)),
        literal(1).label("days"),
        case((absent, 1), else_=0).label("days_absent"),
        *(c[name] for name in MINUTES),
        case((~absent, c.day)).label("attended_on"),
        case((absent, 1), else_=0).label("absent_after"),
        case((absent, c.day)).label("absent_from"),
    )
