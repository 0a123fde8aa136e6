"""Finds and upserts rows of the roster by source id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, delete, exists, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.platform.database.search import with_search_text
from adsum.platform.days import Span
from adsum.roster.repository.membership import student_names
from adsum.roster.tables import classes, enrolments, sessions, student_contacts, student_schools, students


@dataclass(frozen=True, slots=True)
class SessionKey:
    """The ids of a session and its class, and its source id if it has one."""

    id: int
    class_id: int
    source_id: str | None


@dataclass(frozen=True, slots=True)
class StudentKey:
    """The id of a student, and of the row that names them: a merged record, or the student's own; with its school."""

    id: int
    school_id: int
    row_id: int


@dataclass(frozen=True, slots=True)
class EnrolmentKey:
    """The ids of an enrolment, its class and its student, and its days."""

    id: int
    class_id: int
    student_id: int
    span: Span


async def class_id_of(connection: AsyncConnection, school_id: int, source_id: str) -> int | None:
    """The id of the class of a school with this source id."""
    c = classes.c
    return await connection.scalar(select(c.id).where(c.school_id == school_id, c.source_id == source_id))


async def student_of(connection: AsyncConnection, school_id: int, source_id: str) -> StudentKey | None:
    """The student of a school with this source id: one whose home it is, else one of another home school."""
    n = student_names.c
    found = (
        select(n.student_id, students.c.school_id, n.row_id)
        .join(students, students.c.id == n.row_id)
        .where(n.school_id == school_id, n.source_id == source_id)
        .order_by(n.is_home.desc(), n.row_id)
    )
    row = (await connection.execute(found)).first()
    return None if row is None else StudentKey(*row)


async def session_of(connection: AsyncConnection, school_id: int, source_id: str) -> SessionKey | None:
    """The session of a school with this source id."""
    s = sessions.c
    found = (
        select(s.id, s.class_id, s.source_id)
        .join(classes, classes.c.id == s.class_id)
        .where(classes.c.school_id == school_id, s.source_id == source_id)
    )
    row = (await connection.execute(found)).first()
    return None if row is None else SessionKey(*row)


async def session_of_period(connection: AsyncConnection, class_id: int, period: str) -> SessionKey | None:
    """The session of a class with this period."""
    s = sessions.c
    found = select(s.id, s.class_id, s.source_id).where(s.class_id == class_id, s.period == period)
    row = (await connection.execute(found)).first()
    return None if row is None else SessionKey(*row)


async def enrolment_of(connection: AsyncConnection, school_id: int, source_id: str) -> EnrolmentKey | None:
    """The enrolment in a class of a school with this source id."""
    e = enrolments.c
    found = (
        select(e.id, e.class_id, e.student_id, e.begin_date, e.end_date)
        .join(classes, classes.c.id == e.class_id)
        .where(classes.c.school_id == school_id, e.source_id == source_id)
    )
    row = (await connection.execute(found)).first()
    return None if row is None else EnrolmentKey(*row[:3], Span(*row[3:]))


async def upsert_class(connection: AsyncConnection, row_id: int | None, values: dict[str, Any]) -> int:
    """Inserts a class if `row_id` is None, else updates it if it differs; returns its id."""
    return await _upsert(connection, classes, row_id, with_search_text(classes, values))


async def upsert_student(connection: AsyncConnection, row_id: int | None, values: dict[str, Any]) -> int:
    """Inserts a student if `row_id` is None, else updates it if it differs; returns its id."""
    return await _upsert(connection, students, row_id, with_search_text(students, values))


async def set_active_at(connection: AsyncConnection, school_id: int, student_id: int, *, active: bool) -> None:
    """Sets whether a student is active at a school that is not their home."""
    c = student_schools.c
    of_school = (c.school_id == school_id, c.student_id == student_id, c.active != active)
    await connection.execute(update(student_schools).where(*of_school).values(active=active))


async def delete_contacts_of_leaver(connection: AsyncConnection, school_id: int, student_id: int) -> None:
    """Deletes the contacts of a student whom the school does not list any more, as an import does."""
    n, c = student_names.c, student_contacts.c
    is_listed = exists().where(n.school_id == school_id, n.student_id == student_id, n.active)
    await connection.execute(
        delete(student_contacts).where(c.school_id == school_id, c.student_id == student_id, ~is_listed)
    )


async def upsert_session(connection: AsyncConnection, row_id: int | None, values: dict[str, Any]) -> int:
    """Inserts a session if `row_id` is None, else updates it if it differs; returns its id."""
    return await _upsert(connection, sessions, row_id, values)


async def upsert_enrolment(connection: AsyncConnection, row_id: int | None, values: dict[str, Any]) -> int:
    """Inserts an enrolment if `row_id` is None, else updates it if it differs; returns its id."""
    return await _upsert(connection, enrolments, row_id, values)


async def _upsert(connection: AsyncConnection, table: Table, row_id: int | None, values: dict[str, Any]) -> int:
    if row_id is None:
        return (await connection.execute(insert(table).values(values).returning(table.c.id))).scalar_one()
    differs = or_(*(table.c[name].is_distinct_from(value) for name, value in values.items()))
    await connection.execute(update(table).where(table.c.id == row_id, differs).values(values))
    return row_id
