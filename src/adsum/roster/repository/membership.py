"""Which schools a student belongs to: the one definition, as conditions of SQLAlchemy Core on `students`.

The home school of a student is `students.school_id`. `student_schools` has their other schools: former schools, second
schools, and schools with a class in which the student was ever enrolled.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TypeVar

from sqlalchemy import Boolean, ColumnElement, FunctionElement, Subquery, and_, case, literal, or_, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from adsum.accounts.access import Caller
from adsum.accounts.visibility import can_see_school
from adsum.roster.tables import is_student, named_student_id, student_schools, students

T = TypeVar("T")


def student_in_school(school_id: int) -> ColumnElement[bool]:
    """Students of a school, former ones too."""
    return and_(is_student, _in_schools([school_id]))


def _names_at_schools() -> Subquery:
    of_home = select(
        students.c.school_id,
        students.c.source_id,
        named_student_id.label("student_id"),
        students.c.active,
        literal(1).label("is_home"),
        students.c.id.label("row_id"),
    )
    o = student_schools.c
    of_others = select(o.school_id, o.source_id, o.student_id, o.active, literal(0), o.student_id)
    return union_all(of_home, of_others).subquery("student_names")


student_names = _names_at_schools()
"""Which source id names which student at which school: the one definition.

A row of `students` names its student at its own school only, a merged record too; a row of `student_schools` names one
whose home is another school. Where both name somebody, the first one holds: see `is_home`.

Columns: `school_id`, `source_id`, `student_id`; `active`, whether the newest file has the name; `is_home`, 1 for a row
of `students`, else 0; `row_id`, in `students`.
"""


def is_visible_student(caller: Caller) -> ColumnElement[bool]:
    """Students of any school that the caller may see. Does not check classes."""
    return is_student if caller.schools is None else and_(is_student, _in_schools(sorted(caller.schools)))


def in_one_school(caller: Caller, school_id: int | None) -> Caller:
    """The caller, who sees no other school than this one; the same caller for None."""
    if school_id is None:
        return caller
    return replace(caller, schools=frozenset({school_id} if can_see_school(caller, school_id) else ()))


def shown_school(caller: Caller) -> ColumnElement[int]:
    """The school as whose student the caller sees a row: the home school, else the first visible school."""
    return _shown(caller, students.c.school_id, student_schools.c.school_id)


def is_active(caller: Caller) -> ColumnElement[bool]:
    """Whether the newest roster file has the student, at the school of `shown_school`."""
    return _shown(caller, students.c.active, student_schools.c.active)


async def schools_of_student(connection: AsyncConnection, student_id: int) -> list[int]:
    """All schools of a student, by id; none if the student does not exist."""
    home = select(students.c.school_id).where(students.c.id == student_id, is_student)
    others = select(student_schools.c.school_id).where(student_schools.c.student_id == student_id)
    return sorted(await connection.scalars(home.union_all(others)))


def _shown(caller: Caller, at_home: ColumnElement[T], elsewhere: ColumnElement[T]) -> ColumnElement[T]:
    if caller.schools is None:
        return at_home
    o, visible = student_schools.c, sorted(caller.schools)
    of_student = select(elsewhere).where(o.student_id == students.c.id, o.school_id.in_(visible))
    first = of_student.order_by(o.active.desc(), o.school_id).limit(1).correlate(students)
    return case((students.c.school_id.in_(visible), at_home), else_=first.scalar_subquery())


def _in_schools(school_ids: Collection[int]) -> ColumnElement[bool]:
    others = select(student_schools.c.student_id).where(student_schools.c.school_id.in_(school_ids))
    return or_(students.c.school_id.in_(school_ids), _Among(students.c.id, others.scalar_subquery()))


class _Among(FunctionElement[bool]):
    """`column IN (SELECT …)`, in a form that both databases serve with an index if it is part of an OR."""

    name = "among"
    type = Boolean()
    inherit_cache = True


@compiles(_Among)
def _in(element: _Among, compiler: SQLCompiler, **options: object) -> str:
    column, query = element.clauses
    return f"{compiler.process(column, **options)} IN {compiler.process(query, **options)}"


@compiles(_Among, "postgresql")
def _any_of_array(element: _Among, compiler: SQLCompiler, **options: object) -> str:
    # Postgres makes a filter of IN (SELECT …) in an OR, and would read every student.
    column, query = element.clauses
    return f"{compiler.process(column, **options)} = ANY (ARRAY{compiler.process(query, **options)})"
