"""The number of fetches by a worker: no idle polling per slot, and no fetch after a stop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from bullmq import Worker
from redis.asyncio import Redis
from typing_extensions import override

from adsum.batches.queue.service import QueueService
from adsum.platform.redis.connection import open_redis
from adsum.platform.redis.workers import FetchingWorker
from tests.batches.queue.conftest import FIRST, run_of
from tests.batches.queue.stub_processor import (
    StubProcessor,
    has_waiting_worker,
    running_worker,
    scripts_called,
    unblocked_processor,
    wait_until_empty,
)
from tests.support.waiting import until


async def test_an_idle_worker_fetches_a_new_chunk_from_one_slot_only(
    queue: QueueService, redis: Redis, redis_url: str
) -> None:
    processor = unblocked_processor()
    async with running_worker(redis_url, processor, concurrency=64, stall_interval=60):
        await until(lambda: has_waiting_worker(redis))
        before = await scripts_called(redis)
        await queue.enqueue([run_of(FIRST, [1, 2])])
        await wait_until_empty(queue)
        await until(lambda: has_waiting_worker(redis))
    # Claim, add, fetch, finish, and a check for more. BullMQ without the override makes 260 calls.
    assert await scripts_called(redis) - before <= 16


async def test_many_chunks_are_fetched_concurrently(queue: QueueService, redis: Redis, redis_url: str) -> None:
    processor = StubProcessor()
    await queue.enqueue([run_of(FIRST, *([student_id] for student_id in range(1, 31)))])
    async with running_worker(redis_url, processor, concurrency=30):
        await until(lambda: all_are_taken(redis, 30))
        processor.unblocked.set()
        await wait_until_empty(queue)
    assert len(processor.processed) == 30


async def test_a_busy_worker_completes_a_chunk_and_fetches_the_next_one_with_one_script(
    queue: QueueService, redis: Redis, redis_url: str
) -> None:
    await queue.enqueue([run_of(FIRST, *([student_id] for student_id in range(1, 31)))])
    before = await scripts_called(redis)
    async with running_worker(redis_url, unblocked_processor(), concurrency=1, stall_interval=60):
        await wait_until_empty(queue)
        await until(lambda: has_waiting_worker(redis))
    # One fetch, 30 completions, a check for stalled chunks, and fetches that find the queue empty. BullMQ without the
    # override makes 64 calls.
    assert await scripts_called(redis) - before <= 38


async def all_are_taken(redis: Any, count: int) -> bool:
    return await redis.llen("bull:attendance:active") == count


async def test_all_waiting_slots_end_if_the_worker_stops_while_one_of_them_wakes(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class StoppingThen(FetchingWorker):
        @override
        async def _fetched(self, *, found_message: bool) -> None:
            await super()._fetched(found_message=found_message)
            self.paused = True  # before the woken task runs

    async def find_nothing(_worker: Worker, _token: str) -> None:
        await asyncio.sleep(0)

    monkeypatch.setattr(Worker, "getNextJob", find_nothing)
    redis = open_redis(redis_url, connections=4, socket_timeout=5)
    worker: Any = StoppingThen("attendance", None, {"connection": redis, "autorun": False, "concurrency": 4})
    asking = {asyncio.ensure_future(worker.getNextJob(str(number))) for number in range(4)}
    _, waiting = await asyncio.wait(asking, timeout=5)
    for each in waiting:
        each.cancel()
    await worker.close(force=True)
    await redis.aclose()
    assert not waiting


async def test_the_log_names_the_sentinels_that_know_no_primary(caplog: pytest.LogCaptureFixture) -> None:
    async def is_logged() -> bool:
        return "no Sentinel of 127.0.0.1:1 knows a primary adsum" in str([each.__dict__ for each in caplog.records])

    async with running_worker("redis+sentinel://127.0.0.1:1/adsum", unblocked_processor()):
        await until(is_logged)
