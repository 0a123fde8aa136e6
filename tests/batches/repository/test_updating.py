"""Jobs that update: change exactly the version that accept loaded, and store the previous mark as a change."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.attendance.rules import RecordedMark
from adsum.attendance.tables import attendance_changes, attendances
from adsum.batches.repository import jobs
from adsum.batches.rules import RunState
from adsum.batches.run import Run
from adsum.platform.database.engine import Database
from adsum.roster.tables import enrolments
from tests.support.runs import LATER, batch_of, end_run, failures, make_run, outcomes, records, slices, updates
from tests.support.schools import SchoolIds, make_record

Change = tuple[int, str | None, str | None, str | None, str | None, str | None]


async def process(connection: AsyncConnection, run: Run) -> None:
    """Records a chunk as the processor does."""
    await jobs.insert_records(connection, slices(run))
    await jobs.update_records(connection, slices(run))
    await jobs.fail_pending_jobs(connection, slices(run), "not_enrolled", LATER)


async def changes(connection: AsyncConnection) -> list[Change]:
    c = attendance_changes.c
    columns = (c.version, c.old_status, c.new_status, c.old_note, c.new_note, c.run_id)
    return [tuple(row) for row in await connection.execute(select(*columns).order_by(c.attendance_id, c.version))]


async def recorded(
    connection: AsyncConnection, school: SchoolIds, status: str | None = "present", **more: object
) -> int:
    """Creates a record of the first student of the school."""
    student_id = school.student_ids[0]
    await make_record(connection, school.school_id, batch_of(school), student_id, status=status, **more)
    return student_id


async def test_a_record_of_the_expected_version_is_changed_and_its_history_kept(
    database: Database, school: SchoolIds
) -> None:
    async with database.transaction() as connection:
        student = await recorded(connection, school, note="old", version=3)
        run = await make_run(connection, school, updates({student: 3}, "absent", "new"))
        await process(connection, run)
        assert await records(connection, batch_of(school)) == {student: RecordedMark("absent", "new", 4)}
        assert await outcomes(connection, run) == {student: "recorded"}
        assert await changes(connection) == [(4, "present", "absent", "old", "new", run.run_id)]


async def test_an_update_without_a_note_keeps_the_note(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        student = await recorded(connection, school, note="allergic to nuts")
        run = await make_run(connection, school, updates({student: 1}, "absent"))
        await process(connection, run)
        assert await records(connection, batch_of(school)) == {student: RecordedMark("absent", "allergic to nuts", 2)}
        assert [change[3:5] for change in await changes(connection)] == [("allergic to nuts", "allergic to nuts")]


async def test_a_note_can_be_emptied(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        student = await recorded(connection, school, note="bus")
        await process(connection, await make_run(connection, school, updates({student: 1}, "present", "")))
        assert await records(connection, batch_of(school)) == {student: RecordedMark("present", "", 2)}


async def test_a_record_of_another_version_is_skipped(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        student = await recorded(connection, school, status="excused", version=4)
        run = await make_run(connection, school, updates({student: 3}, "absent"))
        await process(connection, run)
        assert await records(connection, batch_of(school)) == {student: RecordedMark("excused", None, 4)}
        assert await outcomes(connection, run) == {student: "skipped"}
        assert await changes(connection) == []


async def test_an_update_delivered_again_changes_nothing(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        student = await recorded(connection, school)
        run = await make_run(connection, school, updates({student: 1}, "absent"))
        await process(connection, run)
        before = await records(connection, batch_of(school)), await changes(connection)
        await process(connection, run)
        assert (await records(connection, batch_of(school)), await changes(connection)) == before
        assert await outcomes(connection, run) == {student: "recorded"}


async def test_a_late_chunk_does_not_undo_a_correction(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        student = await recorded(connection, school)
        run = await make_run(connection, school, updates({student: 1}, "absent"))
        await process(connection, run)
        await connection.execute(update(attendances).values(status="excused", version=3))
        await process(connection, run)
        assert await records(connection, batch_of(school)) == {student: RecordedMark("excused", None, 3)}
        assert await outcomes(connection, run) == {student: "recorded"}


@pytest.mark.parametrize("state", [RunState.CLOSED, RunState.CANCELLED])
async def test_an_ended_run_changes_no_record(database: Database, school: SchoolIds, state: RunState) -> None:
    async with database.transaction() as connection:
        student = await recorded(connection, school)
        run = await make_run(connection, school, updates({student: 1}, "absent"))
        await end_run(connection, run, state)
        await process(connection, run)
        assert await records(connection, batch_of(school)) == {student: RecordedMark("present", None, 1)}
        assert (await changes(connection), await failures(connection, run)) == ([], {})


async def test_a_cleared_mark_is_marked_again(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        student = await recorded(connection, school, status=None, version=2)
        run = await make_run(connection, school, updates({student: 2}))
        await process(connection, run)
        assert await records(connection, batch_of(school)) == {student: RecordedMark("present", None, 3)}
        assert await outcomes(connection, run) == {student: "recorded"}
        assert await changes(connection) == [(3, None, "present", None, None, run.run_id)]


async def test_the_note_of_a_cleared_mark_does_not_come_back(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        student = await recorded(connection, school, status=None, note="of the cleared mark", version=2)
        await process(connection, await make_run(connection, school, updates({student: 2})))
        assert await records(connection, batch_of(school)) == {student: RecordedMark("present", None, 3)}


async def test_the_job_of_a_student_who_left_the_class_fails(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        student = await recorded(connection, school)
        run = await make_run(connection, school, updates({student: 1}, "absent"))
        await connection.execute(delete(enrolments).where(enrolments.c.student_id == student))
        await process(connection, run)
        assert await records(connection, batch_of(school)) == {student: RecordedMark("present", None, 1)}
        assert await outcomes(connection, run) == {student: "failed"}


async def test_concurrent_workers_with_the_same_chunk_change_each_record_once(
    database: Database, school: SchoolIds
) -> None:
    async with database.transaction() as connection:
        for student in school.student_ids:
            await make_record(connection, school.school_id, batch_of(school), student)
        run = await make_run(connection, school, updates(dict.fromkeys(school.student_ids, 1), "absent"))

    async def work() -> None:
        async with database.transaction() as connection:
            await process(connection, run)

    await asyncio.gather(*(work() for _ in range(6)))
    async with database.snapshot() as connection:
        assert [change[0] for change in await changes(connection)] == [2, 2, 2, 2]
        assert set((await records(connection, batch_of(school))).values()) == {RecordedMark("absent", None, 2)}
