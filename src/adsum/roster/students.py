"""Students: listing them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_class, in_visible_school
from adsum.platform.database.search import mentions
from adsum.platform.database.validity import Day, valid_on
from adsum.platform.ids import MAX_ID
from adsum.roster.filters import StudentFilters
from adsum.roster.tables import enrolments, students
from adsum.schools.tables import schools

# A statement of Postgres takes 32,767 parameters at most.
ASKED_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class StudentRow:
    """A student. `active`: whether the newest roster file still has them."""

    id: int
    school_id: int
    source_id: str | None
    given_name: str
    family_name: str
    grade: str | None
    active: bool


@dataclass(frozen=True, slots=True)
class StudentName:
    """What a student is called."""

    given: str
    family: str


async def list_students(
    connection: AsyncConnection, caller: Caller, filters: StudentFilters, today: Day, after: int, limit: int
) -> list[StudentRow]:
    """At most `limit` students whom the caller sees, by id, from beyond the id `after`.

    Whoever sees the school sees all of its students; a teacher those who are enrolled, on the day asked for or today,
    in a class that the teacher is assigned to on that day.
    """
    statement = _rows().where(in_visible_school(caller, students.c.school_id), students.c.id > after)
    statement = statement.order_by(students.c.id).limit(limit)
    if caller.teaches_only or filters.class_id is not None or filters.day is not None:
        statement = statement.where(_enrolled(caller, filters.class_id, filters.day or today))
    if filters.words is not None:
        names = (students.c.given_name, students.c.family_name, students.c.source_id)
        statement = statement.where(mentions(filters.words, *names))
    if filters.source_id is not None:
        statement = statement.where(students.c.source_id == filters.source_id)
    return [StudentRow(*row) for row in await connection.execute(statement)]


def _enrolled(caller: Caller, class_id: int | None, day: Day) -> ColumnElement[bool]:
    """On `day`, in this class, or in any, that the caller sees then."""
    enrolled = select(enrolments.c.id).where(
        enrolments.c.student_id == students.c.id,
        valid_on(enrolments, day),
        in_visible_class(caller, enrolments.c.class_id, day),
    )
    return exists(enrolled if class_id is None else enrolled.where(enrolments.c.class_id == class_id))


async def students_of_school(
    connection: AsyncConnection, school_id: int, student_ids: Collection[int]
) -> frozenset[int]:
    """Of these ids, those of students of the school, whatever class they are in."""
    storable = [student_id for student_id in student_ids if 1 <= student_id <= MAX_ID]
    found: set[int] = set()
    for start in range(0, len(storable), ASKED_AT_ONCE):
        asked = students.c.id.in_(storable[start : start + ASKED_AT_ONCE])
        found.update(await connection.scalars(select(students.c.id).where(students.c.school_id == school_id, asked)))
    return frozenset(found)


async def schools_of_students(
    connection: AsyncConnection, caller: Caller, student_ids: Collection[int]
) -> dict[int, int]:
    """By student, the school: of those of these students who are of the caller's schools."""
    storable = [student_id for student_id in student_ids if 1 <= student_id <= MAX_ID]
    found = select(students.c.id, students.c.school_id).where(
        students.c.id.in_(storable), in_visible_school(caller, students.c.school_id)
    )
    return {row.id: row.school_id for row in await connection.execute(found)}


async def names_of_students(
    connection: AsyncConnection, caller: Caller, student_ids: Collection[int]
) -> dict[int, StudentName]:
    """By student, the name: of those of these whom the caller sees, a teacher those who were ever in their classes."""
    found = select(students.c.id, students.c.given_name, students.c.family_name).where(
        students.c.id.in_(student_ids), in_visible_school(caller, students.c.school_id)
    )
    if caller.teaches_only:
        found = found.where(_ever_taught(caller))
    return {row.id: StudentName(row.given_name, row.family_name) for row in await connection.execute(found)}


def _ever_taught(caller: Caller) -> ColumnElement[bool]:
    return exists().where(
        enrolments.c.student_id == students.c.id, in_visible_class(caller, enrolments.c.class_id, None)
    )


async def is_student_seen(connection: AsyncConnection, caller: Caller, school_id: int, student_id: int) -> bool:
    """Whether the school has this student, and, of a teacher, whether they ever teach a class the student is in."""
    found = await find_student(connection, caller, student_id)
    return found is not None and found.school_id == school_id


async def find_student(connection: AsyncConnection, caller: Caller, student_id: int) -> StudentRow | None:
    """The student, if they are of a school of the caller's; to a teacher if they ever teach a class with them."""
    statement = _rows().where(students.c.id == student_id, in_visible_school(caller, students.c.school_id))
    if caller.teaches_only:
        statement = statement.where(_ever_taught(caller))
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else StudentRow(*row)


async def grades_of_school(connection: AsyncConnection, school_id: int) -> dict[int, str | None]:
    """The grade that each student of a school is in now."""
    rows = await connection.execute(select(students.c.id, students.c.grade).where(students.c.school_id == school_id))
    return {row.id: row.grade for row in rows}


def _rows() -> Select[int, int, str | None, str, str, str | None, bool]:
    """The columns of `StudentRow`. Schools stand beside, since what is today may depend on their time zone."""
    return select(
        students.c.id,
        students.c.school_id,
        students.c.source_id,
        students.c.given_name,
        students.c.family_name,
        students.c.grade,
        students.c.active,
    ).join(schools, schools.c.id == students.c.school_id)
