"""Outcomes of an ended run's jobs after later runs of the batch."""

from __future__ import annotations

from adsum.batches.repository import jobs, runs
from adsum.platform.database.engine import Database
from tests.support.runs import LATER, fail_job, inserts, make_run, outcomes, slices
from tests.support.schools import SchoolIds


async def test_a_failed_job_stays_failed_after_a_later_run_records_the_student(
    database: Database, school: SchoolIds
) -> None:
    one = school.student_ids[0]
    async with database.transaction() as connection:
        first = await make_run(connection, school, inserts([one]))
        await fail_job(connection, first, one)
        assert await runs.close_runs(connection, [first.run_id], LATER)
        second = await make_run(connection, school, inserts([one]))
        await jobs.insert_records(connection, slices(second))
        assert await outcomes(connection, first) == {one: "failed"}
