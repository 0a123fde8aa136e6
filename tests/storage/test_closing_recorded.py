"""Runs whose every job is recorded: that an insert tells it, and that they are closed without counting again."""

from __future__ import annotations

from sqlalchemy import update

from adsum.domain.batches import RunState, Tally
from adsum.storage import closing, jobs, recording
from adsum.storage.database import Database
from adsum.storage.jobs import JobSlice
from adsum.storage.tables import batch_runs
from tests.runs import LATER, end_run, inserts, make_run, slices
from tests.schools import SchoolIds, make_record


async def test_what_an_insert_tells_is_what_the_rows_say(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts(school.student_ids), chunk_size=2)
        told = await recording.insert_records(connection, slices(run))
        (read,) = await jobs.progress(connection, slices(run))
    assert told == [read]
    assert (read.recorded, read.pending, read.planned, sorted(read.ended)) == (4, 0, 4, school.student_ids)
    assert read.is_all_recorded


async def test_a_chunk_of_several_is_not_all_of_its_run(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts(school.student_ids), chunk_size=2)
        (first,) = await recording.insert_records(connection, slices(run)[:1])
        (part,) = await recording.insert_records(connection, [JobSlice(run.run_id, 1, 1, 2)])
    assert [(each.recorded, each.pending, each.is_all_recorded) for each in (first, part)] == [
        (2, 0, False),
        (1, 0, False),
    ]


async def test_who_has_a_record_or_is_not_enrolled_is_never_told_as_recorded(
    database: Database, school: SchoolIds
) -> None:
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts([*school.student_ids, 999]))
        await make_record(connection, school.school_id, run.batch, school.student_ids[0])
        (told,) = await recording.insert_records(connection, slices(run))
        assert (told.recorded, told.is_all_recorded, told.pending > 0) == (3, False, True)
        await recording.fail_pending(connection, slices(run), "not_enrolled", LATER)
        (read,) = await jobs.progress(connection, slices(run))
    assert (read.recorded, read.pending, len(read.ended), read.is_all_recorded) == (3, 0, 5, False)


async def test_nothing_is_told_of_a_run_that_has_ended(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts(school.student_ids))
        await end_run(connection, run, RunState.CANCELLED)
        told = await recording.insert_records(connection, slices(run))
    assert not any(each.recorded for each in told)


async def test_the_counts_are_those_that_counting_comes_to(database: Database, school: SchoolIds) -> None:
    one, *others = school.student_ids
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts(others), kept=[one])
        carried = {"carried_recorded": 5, "carried_skipped": 2, "carried_cancelled": 1, "total_jobs": 12}
        await connection.execute(update(batch_runs).where(batch_runs.c.run_id == run.run_id).values(carried))
        (told,) = await recording.insert_records(connection, slices(run))
        closed = await closing.close_recorded(connection, [run.run_id], LATER)
        assert told.is_all_recorded
        await connection.execute(update(batch_runs).where(batch_runs.c.run_id == run.run_id).values(state="open"))
        assert await closing.close_runs(connection, [run.run_id], LATER) == closed
    assert closed[run.run_id].tally == Tally(recorded=8, skipped=3, cancelled=1)


async def test_it_is_closed_once_and_a_cancelled_one_never(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts(school.student_ids))
        await recording.insert_records(connection, slices(run))
        assert await closing.close_recorded(connection, [run.run_id], LATER)
        assert await closing.close_recorded(connection, [run.run_id], LATER) == {}
        cancelled = await make_run(connection, school, inserts(school.student_ids))
        await end_run(connection, cancelled, RunState.CANCELLED)
        assert await closing.close_recorded(connection, [cancelled.run_id], LATER) == {}
