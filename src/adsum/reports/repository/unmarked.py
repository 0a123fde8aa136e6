"""Statements that find the students without a mark in partly taken registers, as far as the caller may see them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, CompoundSelect, Select, Subquery, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_session
from adsum.platform.database.validity import valid_on
from adsum.reports.repository.visible_days import at_other_schools, at_visible_schools, narrowed
from adsum.reports.rules import Counts, Scope, by_grade
from adsum.reports.tables import unmarked_students
from adsum.roster.rules import grades_of
from adsum.roster.tables import enrolments, students

_Rows: TypeAlias = Select[*tuple[Any, ...]] | CompoundSelect[*tuple[Any, ...]]


async def unmarked_of_student(
    connection: AsyncConnection, caller: Caller, scope: Scope, *, at_school: bool
) -> list[tuple[int, date]]:
    """The school and the day of each session without a mark of the scope's student.

    `at_school`: as `days_at_school` chooses the days, else as `visible_days`.
    """
    rows = _unmarked_of_students(caller, scope, at_school=at_school).subquery("unmarked")
    found = await connection.execute(select(rows.c.school_id, rows.c.day))
    return [(school_id, day) for school_id, day in found]


async def unmarked_by_day(
    connection: AsyncConnection, caller: Caller, scope: Scope, *, only_visible: bool
) -> dict[date, int]:
    """The number of unmarked students of each day. `only_visible`: see `visible_days`."""
    # As `_by_day` chooses between days of students and days of classes.
    of_students = scope.student_id is not None or scope.grade is not None
    found: _Rows = _unmarked(caller, scope)
    if of_students:
        found = _unmarked_of_students(caller, scope, only_visible=only_visible)
    rows = found.subquery("unmarked")
    return await _numbers(connection, rows, rows.c.day)


async def unmarked_by_class(connection: AsyncConnection, caller: Caller, scope: Scope) -> dict[int, int]:
    """The number of unmarked students of each class: of all its students, as `counts_by_class` has it."""
    rows = _unmarked(caller, replace(scope, student_id=None, grade=None)).subquery("unmarked")
    return await _numbers(connection, rows, rows.c.class_id)


async def unmarked_by_student(
    connection: AsyncConnection, caller: Caller, scope: Scope, *, at_school: bool = False
) -> dict[int, int]:
    """The number of sessions without a mark of each student: of the students of the scope's class, in any class.

    `at_school`: as `days_at_school` chooses the days.
    """
    rows = _unmarked_of_students(caller, scope, at_school=at_school).subquery("unmarked")
    return await _numbers(connection, rows, rows.c.student_id)


async def unmarked_by_grade(connection: AsyncConnection, caller: Caller, scope: Scope) -> dict[str | None, int]:
    """The number of sessions without a mark, by grade, as `counts_by_grade` groups the students."""
    rows = _unmarked_of_students(caller, scope).subquery("unmarked")
    of_student = select(students.c.grade).join(rows, rows.c.student_id == students.c.id).subquery("of_student")
    numbers = await _numbers(connection, of_student, of_student.c.grade)
    counts = by_grade((grades_of(text), Counts(unmarked=number)) for text, number in numbers.items())
    return {grade: each.unmarked for grade, each in counts.items()}


async def _numbers(connection: AsyncConnection, rows: Subquery, key: ColumnElement[Any]) -> dict[Any, int]:
    found = await connection.execute(select(key, func.count()).select_from(rows).group_by(key).order_by(key))
    return {row[0]: row[1] for row in found}


def _unmarked(caller: Caller, scope: Scope) -> Select[*tuple[Any, ...]]:
    statement = _visible_unmarked(caller, scope)
    return statement if scope.class_id is None else statement.where(unmarked_students.c.class_id == scope.class_id)


def _unmarked_of_students(
    caller: Caller, scope: Scope, *, at_school: bool = False, only_visible: bool = False
) -> _Rows:
    """As `visible_days` chooses the days of students, or `days_at_school`."""
    if caller.teaches_only:
        return _unmarked(caller, scope)
    if scope.class_id is not None:
        return _visible_unmarked(caller, scope).where(_is_enrolled(scope.class_id))
    if at_school:
        return _visible_unmarked(caller, scope)
    c = unmarked_students.c
    elsewhere = at_other_schools(_unmarked_days(scope), unmarked_students, scope)
    if only_visible:
        elsewhere = at_visible_schools(elsewhere, unmarked_students, caller)
    return _visible_unmarked(caller, scope).union_all(narrowed(elsewhere, c.student_id, scope))


def _visible_unmarked(caller: Caller, scope: Scope) -> Select[*tuple[Any, ...]]:
    c = unmarked_students.c
    statement = _unmarked_days(scope).where(
        c.school_id == scope.school_id, in_visible_session(caller, c.class_id, c.session_id, c.day)
    )
    return narrowed(statement, c.student_id, scope)


def _unmarked_days(scope: Scope) -> Select[*tuple[Any, ...]]:
    c = unmarked_students.c
    return select(c.day, c.class_id, c.student_id, c.school_id).where(
        *(c.day >= scope.first_day, c.day <= scope.last_day),
        # The roster may have changed since the day was summarised.
        _is_enrolled(c.class_id),
    )


def _is_enrolled(class_id: ColumnElement[int] | int) -> ColumnElement[bool]:
    c = unmarked_students.c
    enrolled = select(enrolments.c.id).where(
        enrolments.c.class_id == class_id, enrolments.c.student_id == c.student_id, valid_on(enrolments, c.day)
    )
    return enrolled.correlate(unmarked_students).exists()
