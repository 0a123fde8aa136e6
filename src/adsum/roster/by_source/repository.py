"""Rows of the roster by the id that a platform has for them: found, added, or changed where they differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.roster.tables import classes, enrolments, sessions, students


@dataclass(frozen=True, slots=True)
class SessionOf:
    """A session, the class that it is of, and its id at the platform, if it has one."""

    id: int
    class_id: int
    source_id: str | None


@dataclass(frozen=True, slots=True)
class EnrolmentOf:
    """An enrolment, and whom it puts where."""

    id: int
    class_id: int
    student_id: int


async def class_id_of(connection: AsyncConnection, school_id: int, source_id: str) -> int | None:
    """The class of a school that bears this id."""
    c = classes.c
    return await connection.scalar(select(c.id).where(c.school_id == school_id, c.source_id == source_id))


async def student_id_of(connection: AsyncConnection, school_id: int, source_id: str) -> int | None:
    """The student of a school who bears this id."""
    c = students.c
    return await connection.scalar(select(c.id).where(c.school_id == school_id, c.source_id == source_id))


async def session_of(connection: AsyncConnection, school_id: int, source_id: str) -> SessionOf | None:
    """The session of a school that bears this id."""
    s = sessions.c
    found = (
        select(s.id, s.class_id, s.source_id)
        .join(classes, classes.c.id == s.class_id)
        .where(classes.c.school_id == school_id, s.source_id == source_id)
    )
    row = (await connection.execute(found)).first()
    return None if row is None else SessionOf(*row)


async def session_of_period(connection: AsyncConnection, class_id: int, period: str) -> SessionOf | None:
    """The session of a class with this period."""
    s = sessions.c
    found = select(s.id, s.class_id, s.source_id).where(s.class_id == class_id, s.period == period)
    row = (await connection.execute(found)).first()
    return None if row is None else SessionOf(*row)


async def enrolment_of(connection: AsyncConnection, school_id: int, source_id: str) -> EnrolmentOf | None:
    """The enrolment in a class of a school that bears this id."""
    e = enrolments.c
    found = (
        select(e.id, e.class_id, e.student_id)
        .join(classes, classes.c.id == e.class_id)
        .where(classes.c.school_id == school_id, e.source_id == source_id)
    )
    row = (await connection.execute(found)).first()
    return None if row is None else EnrolmentOf(*row)


async def put_class(connection: AsyncConnection, row_id: int | None, values: dict[str, Any]) -> int:
    """Adds a class, or changes the one of this id; returns its id."""
    return await _put(connection, classes, row_id, values)


async def put_student(connection: AsyncConnection, row_id: int | None, values: dict[str, Any]) -> int:
    """Adds a student, or changes the one of this id; returns their id."""
    return await _put(connection, students, row_id, values)


async def put_session(connection: AsyncConnection, row_id: int | None, values: dict[str, Any]) -> int:
    """Adds a session, or changes the one of this id; returns its id."""
    return await _put(connection, sessions, row_id, values)


async def put_enrolment(connection: AsyncConnection, row_id: int | None, values: dict[str, Any]) -> int:
    """Adds an enrolment, or changes the one of this id; returns its id."""
    return await _put(connection, enrolments, row_id, values)


async def _put(connection: AsyncConnection, table: Table, row_id: int | None, values: dict[str, Any]) -> int:
    if row_id is None:
        return (await connection.execute(insert(table).values(values).returning(table.c.id))).scalar_one()
    differs = or_(*(table.c[name].is_distinct_from(value) for name, value in values.items()))
    await connection.execute(update(table).where(table.c.id == row_id, differs).values(values))
    return row_id
