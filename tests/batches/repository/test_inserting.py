"""Jobs that insert: each record is written once, and repeated deliveries find the same outcomes."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from adsum.attendance.rules import Mark, RecordedMark
from adsum.attendance.tables import attendances
from adsum.batches.repository import jobs
from adsum.batches.repository.jobs import JobSlice
from adsum.batches.rules import Outcome, RunState
from adsum.batches.run import AttendanceJob
from adsum.platform.database.engine import Database
from adsum.roster.tables import enrolments
from tests.support.runs import (
    ACCEPTED_AT,
    DAY,
    LATER,
    batch_of,
    count_records,
    end_run,
    fail_job,
    failures,
    inserts,
    make_run,
    outcomes,
    records,
    slices,
)
from tests.support.schools import SchoolIds, make_record

NOBODY = "01930000-0000-7000-8000-00000000ffff"


async def test_an_open_runs_jobs_are_recorded_as_planned(database: Database, school: SchoolIds) -> None:
    one, two, *_ = school.student_ids
    planned = [AttendanceJob(one, Mark("late", "bus \U0001f68c 'ü'")), AttendanceJob(two, Mark("absent"))]
    async with database.transaction() as connection:
        run = await make_run(connection, school, planned)
        await jobs.insert_records(connection, slices(run))
        assert await outcomes(connection, run) == {one: "recorded", two: "recorded"}
        assert await records(connection, batch_of(school)) == {
            one: RecordedMark("late", "bus \U0001f68c 'ü'", 1),
            two: RecordedMark("absent", None, 1),
        }


async def test_a_record_has_the_time_and_role_of_its_runs_acceptance(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts(school.student_ids[:1]))
        await jobs.insert_records(connection, slices(run))
        c = attendances.c
        row = (await connection.execute(select(c.run_id, c.marked_at, c.marked_role, c.class_id, c.school_id))).one()
    assert tuple(row) == (run.run_id, ACCEPTED_AT, "admin", school.class_id, school.school_id)


async def test_an_unprocessed_job_is_pending(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts(school.student_ids))
        assert await outcomes(connection, run) == dict.fromkeys(school.student_ids, "pending")


@pytest.mark.parametrize(("state", "outcome"), [(RunState.CLOSED, "pending"), (RunState.CANCELLED, "cancelled")])
async def test_an_ended_run_writes_nothing(
    database: Database, school: SchoolIds, state: RunState, outcome: str
) -> None:
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts(school.student_ids))
        await end_run(connection, run, state)
        await jobs.insert_records(connection, slices(run))
        await jobs.fail_pending_jobs(connection, slices(run), "not_enrolled", LATER)
        assert await outcomes(connection, run) == dict.fromkeys(school.student_ids, outcome)
        assert (await count_records(connection), await failures(connection, run)) == (0, {})


async def test_a_chunk_delivered_again_writes_nothing_and_finds_the_same_outcomes(
    database: Database, school: SchoolIds
) -> None:
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts(school.student_ids))
        await jobs.insert_records(connection, slices(run))
        before = await outcomes(connection, run), await records(connection, batch_of(school))
        await jobs.insert_records(connection, [*slices(run), *slices(run)])
        assert (await outcomes(connection, run), await records(connection, batch_of(school))) == before


async def test_a_student_with_a_record_of_another_run_is_skipped(database: Database, school: SchoolIds) -> None:
    one, two, *_ = school.student_ids
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts([one, two]))
        await make_record(connection, school.school_id, batch_of(school), one, status="late")
        await jobs.insert_records(connection, slices(run))
        assert await outcomes(connection, run) == {one: "skipped", two: "recorded"}
        assert (await records(connection, batch_of(school)))[one].status == "late"


async def test_a_corrected_record_still_counts_as_recorded(database: Database, school: SchoolIds) -> None:
    one = school.student_ids[0]
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts([one]))
        await jobs.insert_records(connection, slices(run))
        await connection.execute(update(attendances).values(status=None, version=2))
        await jobs.insert_records(connection, slices(run))
        assert await outcomes(connection, run) == {one: "recorded"}
        assert await records(connection, batch_of(school)) == {one: RecordedMark(None, None, 2)}


async def test_the_job_of_a_student_who_left_the_class_fails_with_its_reason(
    database: Database, school: SchoolIds
) -> None:
    unenrolled, ended, future, stays = school.student_ids
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts(school.student_ids))
        c = enrolments.c
        await connection.execute(delete(enrolments).where(c.student_id == unenrolled))
        await connection.execute(update(enrolments).where(c.student_id == ended).values(end_date=DAY))
        await connection.execute(
            update(enrolments).where(c.student_id == future).values(begin_date=DAY + timedelta(days=1))
        )
        await jobs.insert_records(connection, slices(run))
        await jobs.fail_pending_jobs(connection, slices(run), "not_enrolled", LATER)
        assert await outcomes(connection, run) == {
            unenrolled: "failed",
            ended: "failed",
            future: "failed",
            stays: "recorded",
        }
        assert await failures(connection, run) == dict.fromkeys([unenrolled, ended, future], "not_enrolled")


async def test_only_pending_jobs_are_failed_and_only_once(database: Database, school: SchoolIds) -> None:
    one, two, three, four = school.student_ids
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts([one, two, three, four]))
        await make_record(connection, school.school_id, batch_of(school), one)
        await fail_job(connection, run, two)
        await jobs.insert_records(connection, [JobSlice(run.run_id, 0, 2, 3)])
        for code in ("first", "second"):
            await jobs.fail_pending_jobs(connection, slices(run), code, LATER)
        assert await failures(connection, run) == {two: "worker_died", four: "first"}
        assert await outcomes(connection, run) == {one: "skipped", two: "failed", three: "recorded", four: "failed"}


async def test_a_record_takes_precedence_over_a_failure_of_the_same_run(database: Database, school: SchoolIds) -> None:
    one = school.student_ids[0]
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts([one]))
        await fail_job(connection, run, one)
        await jobs.insert_records(connection, slices(run))
        assert await outcomes(connection, run) == {one: "recorded"}


async def test_the_jobs_of_a_slice_are_those_from_its_start_up_to_its_stop(
    database: Database, school: SchoolIds
) -> None:
    one, two, three, four = school.student_ids
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts(school.student_ids), chunk_size=3)
        await jobs.insert_records(connection, [JobSlice(run.run_id, 0, 1, 2), JobSlice(run.run_id, 1, 0, 1)])
        assert await outcomes(connection, run) == {one: "pending", two: "recorded", three: "pending", four: "recorded"}


async def test_a_student_in_no_plan_has_no_outcome(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        run = await make_run(connection, school, inserts(school.student_ids))
        nowhere = [JobSlice(NOBODY, 0), JobSlice(run.run_id, 7), JobSlice(run.run_id, 0, 4, 9)]
        await jobs.insert_records(connection, nowhere)
        await jobs.fail_pending_jobs(connection, nowhere, "worker_died", LATER)
        assert await jobs.job_outcomes(connection, nowhere) == {}
        assert await jobs.job_outcomes(connection, []) == {}
        assert (await count_records(connection), await failures(connection, run)) == (0, {})


async def test_chunks_of_several_runs_are_written_together(database: Database, school: SchoolIds) -> None:
    async with database.transaction() as connection:
        today = await make_run(connection, school, inserts(school.student_ids), chunk_size=2)
        earlier = replace(batch_of(school), learning_date=DAY - timedelta(days=1))
        yesterday = await make_run(connection, school, inserts(school.student_ids, "absent"), batch=earlier)
        await jobs.insert_records(connection, slices(yesterday, today))
        assert await count_records(connection) == 8
        found = await jobs.job_outcomes(connection, slices(today, yesterday))
    assert set(found.values()) == {Outcome.RECORDED}
    assert {run_id for run_id, _ in found} == {today.run_id, yesterday.run_id}


async def test_two_workers_with_the_same_chunks_in_different_order_write_each_once(
    database: Database, school: SchoolIds
) -> None:
    async with database.transaction() as connection:
        made = [
            await make_run(
                connection,
                school,
                inserts(school.student_ids),
                batch=replace(batch_of(school), learning_date=DAY - timedelta(days=number)),
            )
            for number in range(6)
        ]

    async def work(rotation: int) -> None:
        async with database.transaction() as connection:
            await jobs.insert_records(connection, slices(*made[rotation:], *made[:rotation]))

    await asyncio.gather(*map(work, range(6)))
    async with database.snapshot() as connection:
        assert await count_records(connection) == 24
