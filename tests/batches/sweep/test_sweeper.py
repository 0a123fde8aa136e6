"""The sweeper restores lost Redis keys from the database alone, and changes no healthy run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from redis.asyncio import Redis
from sqlalchemy import func, select

from adsum.accounts.access import system_caller
from adsum.attendance.tables import attendances
from adsum.batches.queue.chunks import chunks_of
from adsum.batches.repository import jobs, runs
from adsum.batches.repository.jobs import JobSlice
from adsum.batches.run import Run
from adsum.batches.submission import BatchResult, Selection, Submission
from adsum.platform.ids import Batch
from adsum.wiring import Adsum
from tests.support.installation import RunWorker, ended, queue_keys
from tests.support.runs import batch_of, slices
from tests.support.schools import SchoolIds

Loss = Callable[[Redis, Batch, Run], Awaitable[object]]


async def lose_everything(redis: Redis, _batch: Batch, _run: Run) -> None:
    await redis.flushall()  # pyright: ignore[reportUnknownMemberType] - its **kwargs have no types


async def lose_the_lock(redis: Redis, batch: Batch, _run: Run) -> None:
    await redis.delete(f"attendance-batch-lock:{batch.id}")


async def lose_the_counter(redis: Redis, batch: Batch, _run: Run) -> None:
    await redis.delete(f"attendance-batch-counter:{batch.id}")


async def lose_the_tickets(redis: Redis, batch: Batch, run: Run) -> None:
    await redis.delete(*(batch.job_id(job.student_id) for job in run.jobs))


async def lose_one_chunk(redis: Redis, _batch: Batch, run: Run) -> None:
    message_id = chunks_of(run)[1].message_id
    await redis.delete(f"bull:attendance:{message_id}")
    await redis.lrem("bull:attendance:wait", 0, message_id)  # pyright: ignore[reportGeneralTypeIssues]


async def lose_the_queue(redis: Redis, _batch: Batch, _run: Run) -> None:
    keys: list[str] = [key async for key in redis.scan_iter("bull:*")]  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    await redis.delete(*keys)


LOSSES: list[Loss] = [
    lose_everything,
    lose_the_lock,
    lose_the_counter,
    lose_the_tickets,
    lose_one_chunk,
    lose_the_queue,
]


async def accepted(adsum: Adsum, school: SchoolIds) -> tuple[BatchResult, Run]:
    request = Submission(school.class_id, school.session_id, "2024-12-25", Selection(is_selected_all=True))
    result = await adsum.attendances.create_batch(request, system_caller())
    async with adsum.database.snapshot() as connection:
        run = await runs.open_run(connection, batch_of(school))
    assert run is not None
    return result, run


async def recorded(adsum: Adsum) -> int:
    async with adsum.database.snapshot() as connection:
        return await connection.scalar(select(func.count()).select_from(attendances)) or 0


async def sweep_until_ended(adsum: Adsum, batch_id: str) -> None:
    stop = asyncio.Event()
    sweeping = asyncio.create_task(adsum.sweeper.run(stop))
    status = await ended(adsum, batch_id)
    stop.set()
    await sweeping
    assert (status.tally.recorded, status.tally.total) == (30, 30)


@pytest.mark.every_case
@pytest.mark.parametrize("lose", LOSSES)
async def test_a_run_whose_keys_are_lost_is_completed(
    adsum: Adsum, school: SchoolIds, redis: Redis, worker: RunWorker, lose: Loss
) -> None:
    result, run = await accepted(adsum, school)
    await lose(redis, run.batch, run)
    async with worker():
        await sweep_until_ended(adsum, result.batch_id)
    assert await recorded(adsum) == 30
    assert set(await queue_keys(redis)) - {"attendance-sweeper"} <= {f"batch-completed:{result.batch_id}"}


@pytest.mark.every_case
@pytest.mark.parametrize("lose", LOSSES)
async def test_a_half_processed_run_whose_keys_are_lost_is_completed(
    adsum: Adsum, school: SchoolIds, redis: Redis, worker: RunWorker, lose: Loss
) -> None:
    result, run = await accepted(adsum, school)
    await adsum.processor.process(chunks_of(run)[:1])
    await lose(redis, run.batch, run)
    async with worker():
        await sweep_until_ended(adsum, result.batch_id)
    assert await recorded(adsum) == 30


async def test_a_run_that_waits_for_a_worker_is_unchanged(adsum: Adsum, school: SchoolIds, redis: Redis) -> None:
    await accepted(adsum, school)
    before = await queue_keys(redis)
    assert await adsum.sweeper.sweep() == 0
    assert await queue_keys(redis) == before


async def test_a_run_whose_ledger_is_lost_is_completed_by_its_last_chunk(
    adsum: Adsum, school: SchoolIds, redis: Redis
) -> None:
    result, run = await accepted(adsum, school)
    await adsum.processor.process(chunks_of(run)[:2])
    await lose_everything(redis, run.batch, run)
    await adsum.processor.process(chunks_of(run)[2:])
    assert (await adsum.attendances.get_batch_status(result.batch_id)).is_completed


async def test_a_run_whose_last_worker_died_before_closing_it_is_closed_by_the_sweep(
    adsum: Adsum, school: SchoolIds, redis: Redis
) -> None:
    result, run = await accepted(adsum, school)
    async with adsum.database.transaction() as connection:
        await jobs.insert_records(connection, [JobSlice(run.run_id, number) for number in range(3)])
    await lose_everything(redis, run.batch, run)
    assert await adsum.sweeper.sweep() == 1
    assert (await adsum.attendances.get_batch_status(result.batch_id)).is_completed


async def test_a_run_that_ended_without_being_released_is_released(
    adsum: Adsum, school: SchoolIds, redis: Redis
) -> None:
    result, run = await accepted(adsum, school)
    async with adsum.database.transaction() as connection:
        await jobs.insert_records(connection, slices(run))
        assert await runs.close_runs(connection, [run.run_id], run.accepted_at)
    assert await adsum.sweeper.sweep() == 1
    left = {key: value for key, value in (await queue_keys(redis)).items() if not key.startswith("bull:")}
    assert list(left) == [f"batch-completed:{result.batch_id}"]


async def test_a_run_that_waits_for_long_keeps_its_lock_and_tickets(
    adsum: Adsum, school: SchoolIds, redis: Redis
) -> None:
    _, run = await accepted(adsum, school)
    names = [f"attendance-batch-lock:{run.batch.id}", *(run.batch.job_id(job.student_id) for job in run.jobs)]
    for name in names:
        await redis.expire(name, 100)
    await adsum.sweeper.sweep()
    assert min([await redis.ttl(name) for name in names]) > 3000


async def test_two_concurrent_sweeps_have_the_effect_of_one(
    adsum: Adsum, school: SchoolIds, redis: Redis, worker: RunWorker
) -> None:
    result, run = await accepted(adsum, school)
    await lose_everything(redis, run.batch, run)
    await asyncio.gather(*(adsum.sweeper.sweep() for _ in range(4)))
    async with worker():
        status = await ended(adsum, result.batch_id)
    assert status.tally.recorded == 30
