"""Counts of outcomes always equal the total and are derived from rows; exactly one caller closes a run."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import system_caller
from adsum.attendance.rules import Mark
from adsum.attendance.tables import attendance_changes
from adsum.batches.repository import jobs, runs, tallies
from adsum.batches.rules import RunState, Tally
from adsum.batches.run import AttendanceJob, Run
from adsum.platform.database.engine import Database
from adsum.platform.ids import Batch
from tests.support.runs import ACCEPTED_AT, DAY, LATER, batch_of, end_run, fail_job, inserts, make_run, outcomes, slices
from tests.support.schools import SchoolIds, make_record
from tests.support.waiting import has_transaction_waiting_for_a_lock, until

# Possible rows of one student: the job's expected version, the record's version, and the record's run.
expected_version = st.none() | st.integers(min_value=1, max_value=2)
record = st.none() | st.tuples(st.integers(min_value=1, max_value=3), st.booleans(), st.booleans())
Rows = list[tuple[int | None, tuple[int, bool, bool] | None, bool]]
rows_of_student = st.tuples(expected_version, record, st.booleans())


async def arrange(connection: AsyncConnection, school: SchoolIds, rows: Rows) -> Run:
    planned = [
        AttendanceJob(student, Mark("absent"), version)
        for student, (version, _, _) in zip(school.student_ids, rows, strict=False)
    ]
    run = await make_run(connection, school, planned, kept=[901, 902], chunk_size=2)
    for student, (_, found, failed) in zip(school.student_ids, rows, strict=False):
        if failed:
            await fail_job(connection, run, student)
        if found is not None:
            version, of_this_run, changed = found
            more = {"run_id": run.run_id} if of_this_run else {}
            id_ = await make_record(connection, school.school_id, run.batch, student, version=version, **more)
            if changed and version > 1:
                change = {"attendance_id": id_, "version": version, "changed_at": LATER, "changed_role": "admin"}
                await connection.execute(insert(attendance_changes).values(change | {"run_id": run.run_id}))
    return run


class RolledBack(Exception):
    """Rolls an example back."""


@pytest.mark.parametrize("state", [RunState.OPEN, RunState.CANCELLED])
async def test_each_job_counts_once_for_any_combination_of_rows(
    database: Database, school: SchoolIds, state: RunState
) -> None:
    loop = asyncio.get_running_loop()

    async def check(rows: Rows) -> None:
        async with database.transaction() as connection:
            run = await arrange(connection, school, rows)
            if state is RunState.CANCELLED:
                await end_run(connection, run, state)
            tally = (await tallies.tallies_of(connection, [run.run_id]))[run.run_id]
            found = list((await outcomes(connection, run)).values())
            assert tally.total == len(rows) + 2
            assert tally == Tally(
                recorded=found.count("recorded"),
                skipped=found.count("skipped") + 2,
                failed=found.count("failed"),
                cancelled=found.count("cancelled"),
                remaining=found.count("pending"),
            )
            raise RolledBack

    @given(st.lists(rows_of_student, max_size=4))
    @settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def every_example(rows: Rows) -> None:
        with pytest.raises(RolledBack):
            asyncio.run_coroutine_threadsafe(check(rows), loop).result()

    await asyncio.to_thread(every_example)


async def test_a_run_with_a_pending_job_is_not_closed(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts(school.student_ids), chunk_size=1)
        await jobs.insert_records(connection, slices(run)[:3])
        assert not await runs.close_runs(connection, [run.run_id], LATER)
        assert await runs.open_run(connection, run.batch) == run


async def test_a_run_is_closed_with_the_counts_of_its_rows(database: Database, school: SchoolIds) -> None:
    one, two, three, four = school.student_ids
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts([one, two, three]), kept=[four])
        await make_record(connection, school.school_id, run.batch, one)
        await jobs.insert_records(connection, [jobs.JobSlice(run.run_id, 0, 0, 2)])
        await jobs.fail_pending_jobs(connection, slices(run), "not_enrolled", LATER)
        closed = (await runs.close_runs(connection, [run.run_id], LATER)).get(run.run_id)
        status = await tallies.batch_status(connection, system_caller(), run.batch)
    assert closed is not None
    assert closed == Tally(recorded=1, skipped=2, failed=1)
    assert status is not None
    assert (status.run_id, status.run_state, status.tally) == (run.run_id, RunState.CLOSED, closed)
    assert (status.started_at, status.completed_at) == (ACCEPTED_AT, LATER)


async def test_a_run_that_ends_during_the_check_is_returned_as_ended(
    database: Database, school: SchoolIds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends between the statement that reads its state and the one that counts."""
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts(school.student_ids), chunk_size=2)

    count = vars(tallies)["_counted"]

    async def end_and_count(*of: Any) -> Any:
        async with database.transaction() as connection:
            await jobs.insert_records(connection, slices(run)[:1])
            await runs.cancel_run(connection, run, LATER)
        return await count(*of)

    monkeypatch.setattr(tallies, "_counted", end_and_count)
    async with database.autocommit_read() as connection:
        status = await tallies.batch_status(connection, system_caller(), run.batch)
    assert status is not None
    assert (status.run_state, status.has_ended, status.tally.remaining) == (RunState.CANCELLED, True, 0)
    assert status.tally.recorded + status.tally.cancelled == status.tally.total == 4


async def test_a_run_is_closed_only_once_and_a_cancelled_one_never(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts(school.student_ids))
        await jobs.insert_records(connection, slices(run))
        assert await runs.close_runs(connection, [run.run_id], LATER)
        assert not await runs.close_runs(connection, [run.run_id], LATER)
        cancelled = await make_run(connection, school, inserts(school.student_ids))
        await end_run(connection, cancelled, RunState.CANCELLED)
        assert not await runs.close_runs(connection, [cancelled.run_id], LATER)


async def test_one_of_many_concurrent_closers_closes_a_run(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts(school.student_ids))
        await jobs.insert_records(connection, slices(run))

    async def close() -> Tally | None:
        async with database.transaction() as connection:
            return (await runs.close_runs(connection, [run.run_id], LATER)).get(run.run_id)

    closed = await asyncio.gather(*(close() for _ in range(8)))
    assert [each for each in closed if each is not None] == [Tally(recorded=4)]


async def test_the_counts_of_a_closed_run_include_rows_of_a_concurrent_worker(
    postgres_database: Database, postgres_school: SchoolIds
) -> None:
    """The closer waits for the worker's transaction, and counts after its commit."""
    async with postgres_database.transaction() as connection:
        run = await make_run(connection, postgres_school, inserts(postgres_school.student_ids))

    async def close() -> Tally | None:
        async with postgres_database.transaction() as connection:
            return (await runs.close_runs(connection, [run.run_id], LATER)).get(run.run_id)

    async with postgres_database.transaction() as connection:
        await jobs.insert_records(connection, slices(run))
        closer = asyncio.create_task(close())
        await until(lambda: has_transaction_waiting_for_a_lock(postgres_database))
    closed = await closer
    assert closed is not None
    assert closed == Tally(recorded=4)


async def test_the_status_of_a_batch_is_that_of_its_newest_run(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        assert await tallies.batch_status(connection, system_caller(), batch_of(school)) is None
        first = await make_run(connection, school, inserts(school.student_ids[:2]))
        await jobs.insert_records(connection, slices(first))
        await runs.close_runs(connection, [first.run_id], LATER)
        second = await make_run(connection, school, inserts(school.student_ids[2:]), kept=school.student_ids[:2])
        status = await tallies.batch_status(connection, system_caller(), second.batch)
    assert status is not None
    assert (status.run_id, status.tally, status.completed_at) == (second.run_id, Tally(skipped=2, remaining=2), None)


async def test_only_runs_without_pending_jobs_are_closed(database: Database, school: SchoolIds) -> None:
    days = [Batch(school.class_id, school.session_id, DAY + timedelta(number)) for number in range(3)]
    async with database.transaction() as connection:
        done, half, cancelled = [
            await make_run(connection, school, inserts(school.student_ids), batch=batch, chunk_size=2) for batch in days
        ]
        await jobs.insert_records(connection, [*slices(done), slices(half)[0]])
        await end_run(connection, cancelled, RunState.CANCELLED)
        run_ids = [run.run_id for run in (half, cancelled, done)]
        closed = await runs.close_runs(connection, run_ids, LATER)
        assert await runs.close_runs(connection, run_ids, LATER) == {}
    assert closed == {done.run_id: Tally(recorded=4)}


async def test_closing_many_runs_concurrently_in_any_order_causes_no_deadlock(
    database: Database, school: SchoolIds
) -> None:
    """The statements lock runs in the order of their ids."""
    days = [Batch(school.class_id, school.session_id, DAY + timedelta(number)) for number in range(40)]
    async with database.transaction() as connection:
        made = [await make_run(connection, school, inserts(school.student_ids), batch=batch) for batch in days]

    async def write_and_close(some: list[Run]) -> set[str]:
        async with database.transaction() as connection:
            await jobs.insert_records(connection, slices(*some))
        async with database.transaction() as connection:
            return set(await runs.close_runs(connection, [run.run_id for run in some], LATER))

    closed = await asyncio.gather(*(write_and_close(each) for each in [made, made[::-1]] * 4))
    assert sorted(run_id for each in closed for run_id in each) == sorted(run.run_id for run in made)
