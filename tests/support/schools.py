"""Schools for the tests: builders that insert rows with SQLAlchemy Core and return their ids."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Table, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import PERMISSIONS, Caller, Role
from adsum.operations.migrations import tables
from adsum.platform.clock import system_clock
from adsum.platform.ids import Batch
from adsum.roster.timetable.repository import replace_times
from adsum.schools.calendar.rules import SessionTime

TERM_BEGINS = date(2024, 9, 2)
RUN_ID = "01930000-0000-7000-8000-000000000000"
MARKED_AT = datetime(2024, 12, 25, 8, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SchoolIds:
    """A school with one class, its session, its students and its teacher."""

    school_id: int
    class_id: int
    session_id: int
    student_ids: list[int]
    teacher_id: int


def newest_school_day() -> date:
    """Today, or the Friday before a weekend, on which no register is due."""
    today = system_clock().date()
    return today - timedelta(max(0, today.weekday() - 4))


async def make_school(
    connection: AsyncConnection, *, students: int = 3, begin: date | None = TERM_BEGINS, time_zone: str = "UTC"
) -> SchoolIds:
    """Creates a complete school: all students enrolled and the teacher assigned from `begin` on, without end."""
    school_id = await make_bare_school(connection, time_zone=time_zone)
    class_id = await make_class(connection, school_id)
    session_id = await make_session(connection, class_id)
    student_ids = await make_students(connection, school_id, students)
    await enrol(connection, class_id, student_ids, begin=begin)
    teacher_id = await make_user(connection, Role.TEACHER, school_id)
    await assign(connection, class_id, teacher_id, begin=begin)
    return SchoolIds(school_id, class_id, session_id, student_ids, teacher_id)


async def make_bare_school(connection: AsyncConnection, *, time_zone: str = "UTC", name: str = "Lindenhof") -> int:
    return await _make(connection, tables.schools, name=name, time_zone=time_zone)


async def make_class(connection: AsyncConnection, school_id: int, *, title: str = "7b", **columns: Any) -> int:
    return await _make(connection, tables.classes, school_id=school_id, title=title, **columns)


async def make_session(
    connection: AsyncConnection, class_id: int, *, period: str = "", title: str = "Attendance", **columns: Any
) -> int:
    return await _make(connection, tables.sessions, class_id=class_id, period=period, title=title, **columns)


async def give_times(connection: AsyncConnection, times: Mapping[int, Sequence[SessionTime]]) -> None:
    """Gives sessions without times these, which hold on every day."""
    await replace_times(connection, times, None, TERM_BEGINS)


async def make_student(
    connection: AsyncConnection, school_id: int, *, given: str = "Ada", family: str = "Byron", **columns: Any
) -> int:
    return await _make(
        connection, tables.students, school_id=school_id, given_name=given, family_name=family, **columns
    )


async def make_students(connection: AsyncConnection, school_id: int, count: int) -> list[int]:
    """Creates students named Given 1 Family 0001 and so on, so that names and ids have the same order."""
    rows = [
        {"school_id": school_id, "given_name": f"Given {number}", "family_name": f"Family {number:04}"}
        for number in range(1, count + 1)
    ]
    return await _make_all(connection, tables.students, rows)


async def add_school(
    connection: AsyncConnection, student_id: int, school_id: int, *, active: bool = False, source_id: str | None = None
) -> None:
    """Makes a student one of another school, too; without `active`, a former one."""
    row = {"student_id": student_id, "school_id": school_id, "active": active, "source_id": source_id}
    await connection.execute(insert(tables.student_schools).values(row))


async def make_contact(
    connection: AsyncConnection, school_id: int, student_id: int, source_id: str = "parent-1", **columns: Any
) -> None:
    """Gives a student a contact: a parent, named Maria Byron, with a phone number."""
    person = {"role": "parent", "given_name": "Maria", "family_name": "Byron", "phone": "030 1234"} | columns
    named = {"named_by_student": True, "named_by_contact": False}
    of_student = {"school_id": school_id, "student_id": student_id, "source_id": source_id}
    await connection.execute(insert(tables.student_contacts).values(**of_student, **person, **named))


async def enrol(
    connection: AsyncConnection,
    class_id: int,
    student_ids: Iterable[int],
    *,
    begin: date | None = TERM_BEGINS,
    end: date | None = None,
) -> list[int]:
    """Enrols from `begin` until the day before `end`."""
    rows = [
        {"class_id": class_id, "student_id": student_id, "begin_date": begin, "end_date": end}
        for student_id in student_ids
    ]
    return await _make_all(connection, tables.enrolments, rows)


async def make_user(connection: AsyncConnection, role: Role, school_id: int | None = None, **columns: Any) -> int:
    return await _make(connection, tables.users, role=role.value, school_id=school_id, **columns)


async def assign(
    connection: AsyncConnection,
    class_id: int,
    user_id: int,
    *,
    begin: date | None = TERM_BEGINS,
    end: date | None = None,
) -> int:
    """Assigns a teacher to a class from `begin` until the day before `end`."""
    return await _make(
        connection, tables.class_teachers, class_id=class_id, user_id=user_id, begin_date=begin, end_date=end
    )


async def make_record(
    connection: AsyncConnection,
    school_id: int,
    batch: Batch,
    student_id: int,
    *,
    status: str | None = "present",
    **columns: Any,
) -> int:
    """Creates one attendance record, as a run writes it."""
    row = _record(school_id, batch, student_id) | {"status": status} | columns
    return await _make(connection, tables.attendances, **row)


async def make_records(
    connection: AsyncConnection, school_id: int, batches: Iterable[Batch], student_ids: Iterable[int]
) -> None:
    """Creates a record for each of these students in each of these batches."""
    pairs = itertools.product(batches, student_ids)
    await connection.execute(insert(tables.attendances), [_record(school_id, *pair) for pair in pairs])


def _record(school_id: int, batch: Batch, student_id: int) -> dict[str, Any]:
    return {
        "school_id": school_id,
        "class_id": batch.class_id,
        "session_id": batch.session_id,
        "learning_date": batch.learning_date,
        "student_id": student_id,
        "status": "present",
        "marked_at": MARKED_AT,
        "marked_role": Role.OFFICE.value,
        "run_id": RUN_ID,
    }


def caller(role: Role, school_id: int | None = None, user_id: int | None = None) -> Caller:
    """Returns a caller in `role` with its permissions; without a school, for all schools."""
    schools = None if school_id is None else frozenset({school_id})
    return Caller(role=role, permissions=PERMISSIONS[role], user_id=user_id, schools=schools)


async def _make(connection: AsyncConnection, table: Table, **columns: Any) -> int:
    return (await connection.execute(insert(table).values(**columns).returning(table.c.id))).scalar_one()


async def _make_all(connection: AsyncConnection, table: Table, rows: Sequence[dict[str, Any]]) -> list[int]:
    """Inserts many rows in one statement. Returns their ids in the order of the rows."""
    if not rows:
        return []
    statement = insert(table).returning(table.c.id, sort_by_parameter_order=True)
    return list(await connection.scalars(statement, rows))
