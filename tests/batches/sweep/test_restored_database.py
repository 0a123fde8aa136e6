"""The database is restored to a time before some runs, while Redis is kept. Leftover keys do no harm."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis
from sqlalchemy import delete

from adsum.accounts.access import system_caller
from adsum.attendance.tables import attendances
from adsum.batches.queue.chunks import chunks_of
from adsum.batches.run import Run
from adsum.batches.tables import batch_runs, job_failures
from adsum.platform.errors import NotFound
from adsum.wiring import Adsum
from tests.batches.sweep.test_sweeper import accepted, sweep_until_ended
from tests.support.installation import RunWorker, ended, queue_keys
from tests.support.schools import SchoolIds
from tests.support.waiting import until


async def delete_all_runs(adsum: Adsum) -> None:
    """Deletes all runs, as a restore to a time before the first batch does."""
    async with adsum.database.transaction() as connection:
        for table in (attendances, job_failures, batch_runs):
            await connection.execute(delete(table))


async def unknown_run(adsum: Adsum, school: SchoolIds) -> Run:
    """A run that Redis has and the database does not have."""
    _, run = await accepted(adsum, school)
    await delete_all_runs(adsum)
    return run


async def test_an_unknown_batch_is_not_found_even_if_redis_has_its_keys(adsum: Adsum, school: SchoolIds) -> None:
    run = await unknown_run(adsum, school)
    with pytest.raises(NotFound):
        await adsum.attendances.get_batch_status(run.batch.id, system_caller())


async def test_a_batch_locked_by_an_unknown_run_is_claimed_and_completed(
    adsum: Adsum, school: SchoolIds, redis: Redis, worker: RunWorker
) -> None:
    old = await unknown_run(adsum, school)
    result, run = await accepted(adsum, school)
    assert await redis.get(f"attendance-batch-lock:{run.batch.id}") == run.run_id != old.run_id
    async with worker():
        status = await ended(adsum, result.batch_id)
    assert (status.run_id, status.tally.recorded) == (run.run_id, 30)
    assert list(await queue_keys(redis)) == [f"batch-completed:{run.batch.id}"]


async def test_chunks_of_an_unknown_run_are_finished_at_once_and_release_its_batch(
    adsum: Adsum, school: SchoolIds, redis: Redis, worker: RunWorker, caplog: pytest.LogCaptureFixture
) -> None:
    run = await unknown_run(adsum, school)

    async def is_over() -> bool:
        return await adsum.queue.depth() == 0

    async with worker():
        await until(is_over)
    left = await queue_keys(redis)
    assert set(left) == {run.batch.job_id(student_id) for student_id in school.student_ids}
    assert min([await redis.ttl(name) for name in left]) > 0
    assert not [record for record in caplog.records if record.levelname == "ERROR"]
    assert await adsum.sweeper.sweep() == 0


async def test_chunks_of_an_unknown_run_do_not_release_the_batch_of_the_next_run(
    adsum: Adsum, school: SchoolIds, redis: Redis
) -> None:
    old = await unknown_run(adsum, school)
    _, run = await accepted(adsum, school)
    await adsum.processor.process(chunks_of(old))
    assert await redis.get(f"attendance-batch-lock:{run.batch.id}") == run.run_id
    assert (await adsum.attendances.get_batch_status(run.batch.id)).tally.remaining == 30


async def test_a_run_that_is_open_again_after_a_restore_is_completed(
    adsum: Adsum, school: SchoolIds, redis: Redis, worker: RunWorker
) -> None:
    """Redis has its completion marker; the restored database has no records."""
    result, _ = await accepted(adsum, school)
    async with worker():
        await ended(adsum, result.batch_id)
    async with adsum.database.transaction() as connection:
        await connection.execute(delete(attendances))
        reopened = batch_runs.update().values(
            state="open", ended_at=None, recorded_jobs=None, skipped_jobs=None, failed_jobs=None, cancelled_jobs=None
        )
        await connection.execute(reopened)
    async with worker():
        await sweep_until_ended(adsum, result.batch_id)


async def test_a_lock_without_a_valid_run_id_is_replaced(adsum: Adsum, school: SchoolIds, redis: Redis) -> None:
    batch_id = f"class-{school.class_id}-session-{school.session_id}-date-25122024"
    await redis.set(f"attendance-batch-lock:{batch_id}", "anything", ex=60)
    _, run = await accepted(adsum, school)
    assert await redis.get(f"attendance-batch-lock:{batch_id}") == run.run_id
