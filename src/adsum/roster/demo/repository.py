"""Statements that create the demo class, whose ids are those of the first request in the documentation."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date

from sqlalchemy import Table, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.tables import class_teachers
from adsum.roster.tables import classes, enrolments, sessions, students
from adsum.schools.rules import default_letters
from adsum.schools.tables import schools

CLASS_ID = 123
SESSION_ID = 456
BEGIN = date(2024, 9, 2)


async def school_of_class(connection: AsyncConnection, class_id: int) -> int | None:
    """The id of the school of a class, or None if there is no such class."""
    return await connection.scalar(select(classes.c.school_id).where(classes.c.id == class_id))


async def school_of_source(connection: AsyncConnection, source_id: str) -> int:
    """The id of an imported school."""
    return (await connection.scalars(select(schools.c.id).where(schools.c.source_id == source_id))).one()


async def create_demo_class(connection: AsyncConnection, time_zone: str, names: Sequence[tuple[str, str]]) -> int:
    """Creates a school with class 123, its session 456, and students 1, 2, … with these given and family names."""
    letters = default_letters(time_zone)
    inserted = insert(schools).values(name="Demo school", time_zone=time_zone, default_letters=letters)
    school_id: int = (await connection.scalars(inserted.returning(schools.c.id))).one()
    await connection.execute(insert(classes).values(id=CLASS_ID, school_id=school_id, title="Class 123"))
    await connection.execute(insert(sessions).values(id=SESSION_ID, class_id=CLASS_ID, title="Attendance"))
    numbered = list(enumerate(names, start=1))
    pupils = [
        {"id": number, "school_id": school_id, "given_name": given, "family_name": family}
        for number, (given, family) in numbered
    ]
    await connection.execute(insert(students), pupils)
    enrolled = [{"class_id": CLASS_ID, "student_id": number, "begin_date": BEGIN} for number, _ in numbered]
    await connection.execute(insert(enrolments), enrolled)
    return school_id


async def open_every_day(connection: AsyncConnection, school_id: int, sources: Collection[str]) -> None:
    """Opens the demo's schools on every weekday: there are registers on any day on which somebody tries it."""
    is_of_demo = or_(schools.c.id == school_id, schools.c.source_id.in_(sources))
    await connection.execute(update(schools).where(is_of_demo).values(weekdays="1234567"))


async def advance_sequences(connection: AsyncConnection) -> None:
    """Sets the id sequences of Postgres after the explicit ids."""
    for table in (classes, sessions, students):
        sequence = func.pg_get_serial_sequence(table.name, "id")
        await connection.execute(select(func.setval(sequence, _highest_id(table))))


def _highest_id(table: Table) -> object:
    return select(func.max(table.c.id)).scalar_subquery()


async def assign_teacher(connection: AsyncConnection, user_id: int) -> None:
    """Assigns a teacher to class 123, unless they are assigned."""
    same = class_teachers.c.class_id == CLASS_ID, class_teachers.c.user_id == user_id
    if not await connection.scalar(select(exists().where(*same))):
        row = {"class_id": CLASS_ID, "user_id": user_id, "begin_date": BEGIN}
        await connection.execute(insert(class_teachers).values(row))
