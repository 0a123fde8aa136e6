"""One class from acceptance to completion."""

from __future__ import annotations

from datetime import date

from redis.asyncio import Redis

from adsum.accounts.access import system_caller
from adsum.batches.rules import BatchState
from adsum.batches.submission import Selection, Submission
from adsum.platform.ids import Batch
from adsum.wiring import Adsum
from tests.support.installation import RunWorker, ended, queue_keys
from tests.support.schools import SchoolIds

DAY = date(2024, 12, 25)


def submission(school: SchoolIds, **fields: object) -> Submission:
    defaults: dict[str, object] = {
        "selection": Selection(is_selected_all=True),
        "learning_date": DAY.isoformat(),
    } | fields
    return Submission(school.class_id, school.session_id, **defaults)  # pyright: ignore[reportArgumentType]


async def test_a_recorded_class_leaves_only_the_completion_marker(
    adsum: Adsum, school: SchoolIds, redis: Redis, worker: RunWorker
) -> None:
    result = await adsum.attendances.create_batch(submission(school), system_caller())
    batch = Batch(school.class_id, school.session_id, DAY)
    assert (result.batch_id, result.total_jobs, result.added_jobs, result.skipped_jobs) == (batch.id, 30, 30, 0)
    keys = await queue_keys(redis)
    assert keys[f"attendance-batch-lock:{batch.id}"] == result.run_id
    assert keys[f"attendance-batch-counter:{batch.id}"] == "30"
    assert all(batch.job_id(student) in keys for student in school.student_ids)
    assert f"batch-completed:{batch.id}" not in keys
    async with worker():
        status = await ended(adsum, batch.id)
    assert (status.state, status.tally.recorded, status.tally.progress) == (BatchState.COMPLETED, 30, 100)
    assert list(await queue_keys(redis)) == [f"batch-completed:{batch.id}"]
