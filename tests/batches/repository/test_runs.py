"""Runs: one open run per batch; the records and stored responses that accept loads."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from adsum.attendance.rules import Mark, RecordedMark
from adsum.batches.repository import runs
from adsum.batches.rules import RunState
from adsum.batches.run import AttendanceJob
from adsum.batches.tables import batch_runs
from adsum.platform.database.engine import Database
from tests.support.runs import DAY, LATER, batch_of, end_run, inserts, make_run, records
from tests.support.schools import SchoolIds, make_record, make_session

NOBODY = "01930000-0000-7000-8000-00000000ffff"


async def test_a_run_is_loaded_as_it_was_stored(database: Database, school: SchoolIds) -> None:
    planned = [
        AttendanceJob(1, Mark("present")),
        AttendanceJob(2, Mark("late", "bus \U0001f68c")),
        AttendanceJob(3, Mark("absent"), 4),
    ]
    async with database.transaction() as connection:
        stored = await make_run(connection, school, planned, chunk_size=2)
        assert await runs.find_runs(connection, [stored.run_id]) == {stored.run_id: stored}
        assert await runs.open_run(connection, stored.batch) == stored
        assert await runs.newest_run(connection, stored.batch) == stored


async def test_a_batch_that_was_never_marked_has_no_run(database: Database, school: SchoolIds) -> None:
    async with database.snapshot() as connection:
        assert await runs.open_run(connection, batch_of(school)) is None
        assert await runs.newest_run(connection, batch_of(school)) is None
        assert await runs.find_runs(connection, [NOBODY]) == {}


@pytest.mark.parametrize("state", [RunState.CLOSED, RunState.CANCELLED])
async def test_after_a_run_has_ended_the_next_one_is_numbered_after_it(
    database: Database, school: SchoolIds, state: RunState
) -> None:
    async with database.transaction() as connection:
        first = await make_run(connection, school, inserts(school.student_ids))
        await end_run(connection, first, state)
        second = await make_run(connection, school, inserts(school.student_ids))
        c = batch_runs.c
        rows = await connection.execute(select(c.run_id, c.number, c.state).order_by(c.number))
        assert [tuple(row) for row in rows] == [(first.run_id, 1, state), (second.run_id, 2, RunState.OPEN)]
        assert await runs.open_run(connection, first.batch) == second
        assert await runs.newest_run(connection, first.batch) == second


async def test_other_days_and_sessions_have_open_runs_of_their_own(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        session_id = await make_session(connection, school.class_id, period="2")
        today = batch_of(school)
        batches = [today, replace(today, learning_date=DAY - timedelta(days=1)), replace(today, session_id=session_id)]
        stored = [await make_run(connection, school, inserts([1]), batch=batch) for batch in batches]
        assert [await runs.open_run(connection, batch) for batch in batches] == stored


async def test_the_state_of_each_run_is_returned(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        stored = list[str]()
        for state in (RunState.CLOSED, RunState.CANCELLED, RunState.OPEN):
            run = await make_run(connection, school, inserts(school.student_ids))
            if state is not RunState.OPEN:
                await end_run(connection, run, state)
            stored.append(run.run_id)
        endings = await runs.find_endings(connection, [*stored, NOBODY])
        ended = await runs.find_ended(connection, [*stored, NOBODY])
    closed, cancelled, still_open = stored
    assert endings.keys() == set(stored)
    assert endings[still_open] == (RunState.OPEN, None)
    assert ended == {closed: LATER, cancelled: None, NOBODY: None}


@pytest.mark.parametrize(("max_jobs", "number"), [(1, 1), (2, 1), (4, 2), (5, 2), (6, 3), (100, 3)])
async def test_a_page_of_open_runs_is_limited_by_jobs_and_has_at_least_one_run(
    database: Database, school: SchoolIds, max_jobs: int, number: int
) -> None:
    async with database.transaction() as connection:
        stored = [
            await make_run(connection, school, inserts(school.student_ids[:2]), batch=batch_of(school, day))
            for day in (DAY, DAY + timedelta(1), DAY + timedelta(2))
        ]
        page = await runs.open_runs_after(connection, None, LATER, 10, max_jobs=max_jobs)
        assert page == stored[:number]
        following = await runs.open_runs_after(connection, page[-1].run_id, LATER, 10, max_jobs=100)
    assert page + following == stored


async def test_existing_records_are_those_of_the_session_and_day_with_cleared_marks(
    database: Database, school: SchoolIds
) -> None:
    one, two, three, _ = school.student_ids
    today = batch_of(school)
    async with database.transaction() as connection:
        await make_record(connection, school.school_id, today, one, status="late", note="bus", version=3)
        await make_record(connection, school.school_id, today, two, status=None, version=2)
        other = replace(today, learning_date=DAY - timedelta(days=1))
        await make_record(connection, school.school_id, other, three)
        assert await records(connection, today) == {
            one: RecordedMark("late", "bus", 3),
            two: RecordedMark(None, None, 2),
        }
