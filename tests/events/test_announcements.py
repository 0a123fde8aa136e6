"""Late and taken registers and unexplained absences are announced once each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, select

from adsum.batches.tables import batch_runs
from adsum.events import announcements as announcing
from adsum.events.announcements import ANNOUNCED_FOR, AnnouncementPruning, MissingRegisters, UnexplainedStudents
from adsum.events.repository import StoredEvent, announce, read_events
from adsum.events.rules import ANNOUNCED
from adsum.platform.clock import system_clock
from adsum.platform.database.engine import Database
from adsum.platform.database.new_events import announcements
from adsum.roster.tables import session_times
from tests.attendance.corrections.conftest import Register
from tests.events.conftest import Reader, reader_of
from tests.support.api import DAY
from tests.support.installation import ended

# A Thursday, and a moment in the time zone of the school, UTC.
TODAY = date(2024, 12, 26)


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2024, 12, 26, hour, minute, tzinfo=UTC)


async def begins(register: Register, time: str) -> None:
    values = {"session_id": register.api.school.session_id, "weekday": 4, "begins": time, "ends": "12:00"}
    async with register.adsum.database.transaction() as connection:
        await connection.execute(insert(session_times).values(values))


async def mark_some(register: Register, learning_date: str, **statuses: Any) -> None:
    answer = await register.api.create("teacher", learningDate=learning_date, **statuses)
    assert answer.is_success, answer.text
    async with register.worker():
        await ended(register.adsum, answer.json()["batchId"])


async def test_a_register_is_announced_once_it_is_late(register: Register) -> None:
    await begins(register, "08:00")
    reader = reader_of(register.adsum)
    await reader.read()
    now = at(8, 29)
    late = MissingRegisters(register.adsum.database, lambda: now, after=timedelta(minutes=30))

    counts = [await late.announce_if_due()]
    now = at(8, 31)
    counts += [await late.announce_if_due()]
    now = at(9)
    counts += [await late.announce_if_due()]
    another = MissingRegisters(register.adsum.database, lambda: now, after=timedelta(minutes=30))
    counts += [await another.announce_if_due()]

    school = register.api.school
    assert counts == [0, 1, 0, 0]
    (item,) = await reader.items()
    assert (item["type"], item["schoolId"], item["occurredAt"]) == (
        "register.missing",
        school.school_id,
        "2024-12-26T08:31:00Z",
    )
    assert item["data"] == {
        "classId": school.class_id,
        "sessionId": school.session_id,
        "learningDate": "2024-12-26",
        "state": "missing",
        "marked": 0,
        "expected": 3,
        "beganAt": "08:00",
    }


async def test_a_register_without_a_time_is_never_late(register: Register) -> None:
    late = MissingRegisters(register.adsum.database, lambda: at(23), after=timedelta(minutes=30))

    assert await late.announce_if_due() == 0


async def test_a_late_register_is_found_by_the_next_look_and_a_taken_one_is_not(register: Register) -> None:
    await begins(register, "08:00")
    now = at(8)
    late = MissingRegisters(register.adsum.database, lambda: now, after=timedelta(minutes=30))
    first = await late.announce_if_due()
    await mark_some(register, "2024-12-26")
    now = at(8, 45)

    assert (first, await late.announce_if_due()) == (0, 0)


async def test_students_are_announced_whose_absence_stays_unexplained(register: Register) -> None:
    first, second, third = register.api.school.student_ids
    today = system_clock().date().isoformat()
    await mark_some(
        register,
        today,
        unselectedStudentIds=[first, second],
        marks=[{"studentId": third, "status": "excused"}],
    )
    reader = reader_of(register.adsum)
    await reader.read()
    later = system_clock() + timedelta(minutes=61)
    early = UnexplainedStudents(register.adsum.database, system_clock, after=timedelta(minutes=60))
    students = UnexplainedStudents(register.adsum.database, lambda: later, after=timedelta(minutes=60))

    too_early = await early.announce()
    (record,) = (await register.api.get("/attendances", studentId=second, **{"from": today})).json()["items"]
    await register.api.change("PATCH", f"/attendances/{record['id']}", "office", '"1"', json={"status": "excused"})
    counts = [await students.announce(), await students.announce()]

    assert (too_early, counts) == (0, [1, 0])
    *_, item = await reader.items()
    assert (item["type"], item["data"]["studentId"], item["data"]["learningDate"]) == (
        "student.unexplained",
        first,
        today,
    )
    assert [(each["status"], each["sessionId"]) for each in item["data"]["absences"]] == [
        ("absent", register.api.school.session_id)
    ]


async def test_a_correction_to_absent_is_announced_and_old_days_are_not(register: Register) -> None:
    first, second, _ = register.api.school.student_ids
    today = system_clock().date().isoformat()
    await mark_some(register, today)
    await mark_some(register, "2024-12-24", unselectedStudentIds=[second])
    (record,) = (await register.api.get("/attendances", studentId=first, **{"from": today})).json()["items"]
    await register.api.change("PATCH", f"/attendances/{record['id']}", "teacher", '"1"', json={"status": "absent"})
    await register.adsum.event_numbering.number()
    later = system_clock() + timedelta(minutes=61)

    students = UnexplainedStudents(register.adsum.database, lambda: later, after=timedelta(minutes=60))

    assert await students.announce() == 1
    items = await reader_of(register.adsum).items()
    assert [each["data"]["studentId"] for each in items if each["type"] == "student.unexplained"] == [first]


async def test_registers_are_looked_through_in_pages_and_not_at_every_call(register: Register) -> None:
    await begins(register, "08:00")
    now = at(9)
    late = MissingRegisters(register.adsum.database, lambda: now, after=timedelta(minutes=30), at_once=1)

    assert [await late.announce_if_due(), await late.announce_if_due()] == [1, 0]


async def test_marks_are_looked_through_in_pages_and_a_run_that_is_gone_is_passed(register: Register) -> None:
    first, second, _ = register.api.school.student_ids
    today = system_clock().date().isoformat()
    yesterday = (system_clock() - timedelta(days=1)).date().isoformat()
    await mark_some(register, yesterday, unselectedStudentIds=[first])
    await mark_some(register, today, unselectedStudentIds=[second])
    async with register.adsum.database.transaction() as connection:
        await connection.execute(delete(batch_runs).where(batch_runs.c.learning_date == date.fromisoformat(yesterday)))
    await register.adsum.event_numbering.number()
    later = system_clock() + timedelta(minutes=61)
    students = UnexplainedStudents(register.adsum.database, lambda: later, after=timedelta(minutes=60), at_once=1)

    assert [await students.announce(), await students.announce()] == [1, 0]


async def test_without_new_marks_nothing_is_announced(register: Register) -> None:
    taken = register.adsum.taken_registers
    await mark_some(register, "2024-12-24")
    await register.adsum.event_numbering.number()

    assert [await taken.announce() > 0 for _ in range(2)] == [True, False]


async def kinds(reader: Reader) -> list[str]:
    return [item["type"] for item in await reader.items()]


async def forget_announcements(register: Register) -> None:
    """As after an upgrade from a version without events, and after the pruning."""
    async with register.adsum.database.transaction() as connection:
        await connection.execute(delete(announcements))


async def test_a_register_that_was_complete_before_is_not_announced_by_other_marks(register: Register) -> None:
    first, second, _ = register.api.school.student_ids
    reader = reader_of(register.adsum)
    await reader.read()
    await forget_announcements(register)

    await register.correct(status="late")
    corrected = await kinds(reader)
    await mark_some(register, DAY, onExisting="update", unselectedStudentIds=[second])
    updated = await kinds(reader)
    await mark_some(register, DAY, isSelectedAll=False, unselectedStudentIds=[first])
    found_marked = await kinds(reader)

    assert corrected == ["attendance.corrected"]
    assert updated == ["batch.accepted", "batch.completed"]
    assert found_marked == []


async def test_a_register_is_announced_by_a_run_or_a_correction_that_marks_its_last_student(register: Register) -> None:
    reader = reader_of(register.adsum)
    await reader.read()
    await forget_announcements(register)
    await register.clear()
    cleared = await kinds(reader)
    await mark_some(register, DAY, onExisting="update")
    by_run = await kinds(reader)
    await forget_announcements(register)
    await register.clear(version='"3"')
    await register.correct(version='"4"', status="late")

    assert cleared == ["attendance.cleared"]
    assert by_run[-1] == "register.taken"
    assert await kinds(reader) == ["attendance.cleared", "attendance.corrected", "register.taken"]


async def test_of_two_processes_that_read_the_same_events_one_announces(
    register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The announcement of the faster one is pruned before the slower one writes."""
    reader = reader_of(register.adsum)
    await reader.read()
    await mark_some(register, "2024-12-24")
    await register.adsum.event_numbering.number()
    reads = iter([True])

    async def read(*args: Any) -> Sequence[StoredEvent]:
        rows = await read_events(*args)
        if next(reads, False):
            assert await register.adsum.taken_registers.announce() == 1
            await forget_announcements(register)
        return rows

    monkeypatch.setattr(announcing, "read_events", read)
    assert await register.adsum.taken_registers.announce() == 0

    assert (await kinds(reader)).count("register.taken") == 1


async def test_old_announcements_are_deleted_in_pages_of_all_types(database: Database) -> None:
    now = datetime(2025, 3, 1, tzinfo=UTC)
    recent, old = (now - ANNOUNCED_FOR).date(), (now - ANNOUNCED_FOR - timedelta(days=1)).date()
    async with database.transaction() as connection:
        for kind in ANNOUNCED:
            await announce(connection, kind, {(old, 1), (old, 2), (recent, 1)})
    pruning = AnnouncementPruning(database, lambda: now, page=4)

    assert [await pruning.prune_if_due() for _ in range(3)] == [4, 2, 0]
    async with database.snapshot() as connection:
        left = await connection.execute(select(announcements).order_by(announcements.c.type))
        assert [tuple(row) for row in left] == [(kind, recent, 1) for kind in sorted(ANNOUNCED)]
