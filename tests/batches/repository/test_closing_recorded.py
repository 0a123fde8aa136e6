"""Runs recorded completely by one statement, which closes them without counting."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from adsum.batches.repository import jobs, runs
from adsum.batches.repository.jobs import JobSlice, SliceOutcome
from adsum.batches.rules import RunState, Tally
from adsum.batches.tables import batch_runs
from adsum.platform.database.engine import Database
from tests.support.runs import LATER, end_run, inserts, make_run, slices
from tests.support.schools import SchoolIds, make_record, make_school
from tests.support.waiting import until, waiting_for_locks


async def test_the_returned_runs_match_the_rows(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts(school.student_ids), chunk_size=2)
        (result,) = await jobs.record_jobs(connection, slices(run), LATER)
        (read,) = await jobs.slice_outcomes(connection, slices(run))
    assert replace(result, closed=None, closed_at=None, run_state=RunState.CLOSED) == read
    assert (read.recorded, read.pending, read.planned, sorted(read.ended)) == (4, 0, 4, school.student_ids)
    assert result.closed is not None
    assert (result.closed, result.closed_at) == (Tally(recorded=4), LATER)


@pytest.mark.parametrize("is_counted", [False, True], ids=["with its last record", "once all are counted"])
async def test_the_process_that_ended_a_run_is_stored(database: Database, school: SchoolIds, is_counted: bool) -> None:
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts(school.student_ids))
        if is_counted:
            await jobs.insert_records(connection, slices(run))
            await runs.close_runs(connection, [run.run_id], LATER, "host:7")
        else:
            await jobs.record_jobs(connection, slices(run), LATER, "host:7")
        assert list(await connection.scalars(select(batch_runs.c.ended_by))) == ["host:7"]


async def test_one_chunk_of_several_does_not_close_its_run(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts(school.student_ids), chunk_size=2)
        (first,) = await jobs.record_jobs(connection, slices(run)[:1], LATER)
        (part,) = await jobs.record_jobs(connection, [JobSlice(run.run_id, 1, 1, 2)], LATER)
    assert [(each.recorded, each.pending, each.closed) for each in (first, part)] == [(2, 0, None), (1, 0, None)]


async def test_a_skipped_or_unenrolled_student_keeps_the_run_open(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts([*school.student_ids, 999]))
        await make_record(connection, school.school_id, run.batch, school.student_ids[0])
        (result,) = await jobs.record_jobs(connection, slices(run), LATER)
        assert (result.recorded, result.closed, result.pending > 0) == (3, None, True)
        await jobs.fail_pending_jobs(connection, slices(run), "not_enrolled", LATER)
        (read,) = await jobs.slice_outcomes(connection, slices(run))
    assert (read.recorded, read.pending, len(read.ended), read.run_state) == (3, 0, 5, RunState.OPEN)


async def test_an_ended_run_records_nothing_and_is_not_closed_again(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts(school.student_ids))
        await end_run(connection, run, RunState.CANCELLED)
        result = await jobs.record_jobs(connection, slices(run), LATER)
    assert not any(each.recorded or each.closed for each in result)


async def test_the_counts_equal_those_counted_from_rows(database: Database, school: SchoolIds) -> None:
    one, *others = school.student_ids
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts(others), kept=[one])
        carried = {"carried_recorded": 5, "carried_skipped": 2, "carried_cancelled": 1, "total_jobs": 12}
        await connection.execute(update(batch_runs).where(batch_runs.c.run_id == run.run_id).values(carried))
        (result,) = await jobs.record_jobs(connection, slices(run), LATER)
        assert result.closed is not None
        await connection.execute(update(batch_runs).where(batch_runs.c.run_id == run.run_id).values(state="open"))
        assert await runs.close_runs(connection, [run.run_id], LATER) == {run.run_id: result.closed}
    assert result.closed == Tally(recorded=8, skipped=3, cancelled=1)


async def test_a_repeated_chunk_does_not_close_its_run_again(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts(school.student_ids))
        first = await jobs.record_jobs(connection, slices(run), LATER)
        again = await jobs.record_jobs(connection, slices(run), LATER)
    assert ([bool(each.closed) for each in first], any(each.closed for each in again)) == ([True], False)


class Undone(Exception):
    """Rolls a transaction back."""


async def test_two_workers_with_chunks_of_one_run_do_not_deadlock(postgres_database: Database) -> None:
    """Each worker that has begun waits for a third transaction. With a shared lock on the run, the worker that closes
    the run would wait for the other one, which waits for its rows: a deadlock.
    """
    async with postgres_database.transaction() as connection:
        school = await make_school(connection, students=3)
        run = await make_run(connection, school, inserts(school.student_ids))

    async def record() -> list[SliceOutcome]:
        async with postgres_database.transaction() as connection:
            return await jobs.record_jobs(connection, slices(run), LATER)

    async def both_wait() -> bool:
        return await waiting_for_locks(postgres_database) == 2

    workers: list[asyncio.Task[list[SliceOutcome]]] = []
    with suppress(Undone):
        async with postgres_database.transaction() as third:
            await make_record(third, school.school_id, run.batch, school.student_ids[0])
            workers += [asyncio.create_task(record()) for _ in range(2)]
            await until(both_wait)
            raise Undone

    result = [each for found in await asyncio.gather(*workers) for each in found]
    assert [bool(each.closed) for each in result] == [True]
