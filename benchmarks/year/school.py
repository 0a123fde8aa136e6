"""A generated school year. Each mark is derived from ids alone, so that every run creates the same data."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import insert, text

from adsum.accounts.access import Role
from adsum.batches.rules import RunState
from adsum.operations.migrations import tables
from adsum.platform.database.engine import Connection, Database
from tests.support.schools import assign, make_bare_school, make_class, make_session, make_user

STUDENTS, CLASSES, SESSIONS, DAYS = 2_000, 67, 6, 180
FIRST_DAY = date(2024, 9, 2)
ENDED = datetime(2025, 7, 1, tzinfo=UTC)

# Each student is absent on 2 to 8 % of the days, for some single sessions, and late for some others.
_MARKS = """
INSERT INTO attendances (school_id, class_id, session_id, learning_date, student_id, status, version, marked_at,
                         marked_role, run_id)
SELECT r.school_id, r.class_id, r.session_id, r.learning_date, e.student_id,
       CASE WHEN (e.student_id * 7919 + :day * 104729) % 100 < 2 + e.student_id % 7 THEN
                 CASE WHEN (e.student_id + :day) % 3 = 0 THEN 'excused' ELSE 'absent' END
            WHEN (e.student_id * 31 + :day * 17 + r.session_id * 7) % 200 = 0 THEN 'absent'
            WHEN (e.student_id * 13 + :day * 5 + r.session_id * 3) % 50 = 0 THEN 'late'
            ELSE 'present' END,
       1, r.accepted_at, 'teacher', r.run_id
FROM batch_runs r JOIN enrolments e ON e.class_id = r.class_id
WHERE r.learning_date = :learning_date
ORDER BY r.session_id, e.student_id"""


@dataclass(frozen=True, slots=True)
class Year:
    """The school, one class with its teacher, and the school days."""

    school_id: int
    class_id: int
    teacher_id: int
    days: tuple[date, ...]


def school_days() -> Iterator[date]:
    """Yields weekdays from the first day on."""
    day = FIRST_DAY
    for _ in range(DAYS):
        yield day
        day += timedelta(days=3 if day.isoweekday() == 5 else 1)


async def make_year(database: Database) -> Year:
    """Creates 2,000 students in 67 classes with six sessions on each of 180 days: 2.16 million records."""
    days = tuple(school_days())
    async with database.transaction() as connection:
        school_id = await make_bare_school(connection, name="Year")
        classes = [await make_class(connection, school_id, title=f"Class {number}") for number in range(CLASSES)]
        sessions = {
            class_id: [await make_session(connection, class_id, period=str(number)) for number in range(SESSIONS)]
            for class_id in classes
        }
        teacher_id = await make_user(connection, Role.TEACHER, school_id)
        await assign(connection, classes[0], teacher_id)
        await _enrol_all(connection, school_id, classes)
        for first in range(0, DAYS, 20):
            some = days[first : first + 20]
            rows = [_run(school_id, each, one, day) for day in some for each in classes for one in sessions[each]]
            await connection.execute(insert(tables.batch_runs), rows)
    for number, day in enumerate(days):
        async with database.transaction() as connection:
            values = {"day": number, "learning_date": day}
            statement = text(_MARKS).bindparams(learning_date=day).columns()
            await connection.execute(statement, values)
    return Year(school_id, classes[0], teacher_id, days)


async def _enrol_all(connection: Connection, school_id: int, classes: list[int]) -> None:
    grades = [f"{5 + number * 8 // CLASSES:02}" for number in range(CLASSES)]
    rows = [
        {"school_id": school_id, "given_name": f"G{i}", "family_name": f"F{i}", "grade": grades[i % CLASSES]}
        for i in range(STUDENTS)
    ]
    added = insert(tables.students).returning(tables.students.c.id, sort_by_parameter_order=True)
    ids = list(await connection.scalars(added, rows))
    enrolled = [
        {"class_id": classes[i % CLASSES], "student_id": student_id, "begin_date": FIRST_DAY}
        for i, student_id in enumerate(ids)
    ]
    await connection.execute(insert(tables.enrolments), enrolled)


def _run(school_id: int, class_id: int, session_id: int, day: date) -> dict[str, Any]:
    return {
        "run_id": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{session_id} {day}")),
        "school_id": school_id,
        "class_id": class_id,
        "session_id": session_id,
        "learning_date": day,
        "number": 1,
        "state": RunState.CLOSED,
        "on_existing": "skip",
        "plan": [],
        "kept": [],
        "chunk_size": 500,
        "total_jobs": 30,
        "accepted_at": ENDED,
        "accepted_role": "teacher",
        "ended_at": ENDED,
        "recorded_jobs": 30,
        "skipped_jobs": 0,
        "failed_jobs": 0,
        "cancelled_jobs": 0,
        "pruned_at": ENDED,
    }
