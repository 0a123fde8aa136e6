"""What became of the jobs of a run that has ended, after later runs of the batch."""

from __future__ import annotations

import pytest

from adsum.domain.batches import RunState
from adsum.storage import jobs, tallies
from adsum.storage.database import Database
from tests.runs import LATER, end_run, fail_job, inserts, make_run, outcomes, slices
from tests.schools import SchoolIds


@pytest.mark.xfail(reason="OUTCOME puts a record of another run before this run's failure, and before its cancelling")
@pytest.mark.parametrize(("state", "outcome"), [(RunState.CLOSED, "failed"), (RunState.CANCELLED, "cancelled")])
async def test_the_outcome_of_a_job_stays_what_its_run_ended_with_when_a_later_run_records_the_student(
    database: Database, school: SchoolIds, state: RunState, outcome: str
) -> None:
    one = school.student_ids[0]
    async with database.transaction() as connection:
        first = await make_run(connection, school, inserts([one]))
        if state is RunState.CLOSED:
            await fail_job(connection, first, one)
            assert await tallies.close_run(connection, first.run_id, LATER) is not None
        else:
            await end_run(connection, first, state)
        second = await make_run(connection, school, inserts([one]))
        await jobs.insert_records(connection, slices(second))
        assert await outcomes(connection, first) == {one: outcome}
