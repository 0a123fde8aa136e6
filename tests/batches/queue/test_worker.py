"""The worker: each delivery is processed, given up, left to newer workers, or dropped."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import pytest
from bullmq import Queue
from redis.asyncio import Redis

from adsum.batches.queue.chunks import NAME, chunks_of
from adsum.batches.queue.service import QueueService
from adsum.platform.redis.connection import open_redis
from adsum.platform.redis.workers import FetchingWorker
from tests.batches.queue.conftest import BATCH, FIRST, OTHER_BATCH, SECOND, names, new_queue, run_of
from tests.batches.queue.stub_processor import (
    StubProcessor,
    has_waiting_worker,
    running_worker,
    unblocked_processor,
    wait_until_empty,
)
from tests.support.live import environment
from tests.support.servers.counting import Fault, Moment, counting_valkey
from tests.support.servers.processes import short_folder
from tests.support.servers.valkey import temporary_valkey, url_of, valkey_in
from tests.support.waiting import DEADLINE_S, until


async def send(redis: Redis, data: object) -> None:
    """Puts a foreign message into the queue."""
    await Queue("attendance", cast("Any", {"connection": redis})).add(NAME, data, {"jobId": "theirs"})


async def test_each_chunk_is_processed_and_its_message_removed(
    queue: QueueService, redis: Redis, redis_url: str
) -> None:
    processor, run = unblocked_processor(), run_of(FIRST, [1, 2], [3])
    await queue.enqueue([run])
    async with running_worker(redis_url, processor):
        await wait_until_empty(queue)
    assert sorted(processor.processed, key=lambda chunk: chunk.number) == chunks_of(run)
    left = {name.removeprefix("bull:attendance:") for name in await names(redis) if "bull:" in name}
    assert left <= {"meta", "id", "events", "stalled-check", "marker"}


async def test_an_unreadable_message_is_dropped_and_the_next_one_processed(
    queue: QueueService, redis: Redis, redis_url: str
) -> None:
    processor = unblocked_processor()
    await send(redis, {"v": 1, "batchId": BATCH.id, "runId": "x", "chunk": 0})
    await queue.enqueue([run_of(FIRST, [1, 2])])
    async with running_worker(redis_url, processor):
        await wait_until_empty(queue)
    assert processor.processed == chunks_of(run_of(FIRST, [1, 2]))


async def test_a_message_of_a_newer_version_stays_for_newer_workers(
    queue: QueueService, redis: Redis, redis_url: str
) -> None:
    processor = unblocked_processor()
    await send(redis, {"v": 2, "somethingElse": True})
    await queue.enqueue([run_of(FIRST, [1, 2])])
    async with running_worker(redis_url, processor):
        await processor.done.wait()
        await until(lambda: redis.exists("bull:attendance:delayed"))
    assert await queue.depth() == 1
    assert (len(processor.processed), await redis.exists("bull:attendance:theirs")) == (1, 1)


async def test_the_processor_receives_the_number_of_stalls(queue: QueueService, redis: Redis, redis_url: str) -> None:
    processor, run = unblocked_processor(), run_of(FIRST, [1, 2])
    await queue.enqueue([run])
    await redis.hset(f"bull:attendance:{chunks_of(run)[0].message_id}", "stc", "7")  # pyright: ignore[reportGeneralTypeIssues]
    async with running_worker(redis_url, processor):
        await wait_until_empty(queue)
    assert processor.stalls == [7]


async def test_a_stopping_worker_finishes_its_chunks_and_fetches_no_more(
    queue: QueueService, redis: Any, redis_url: str
) -> None:
    async def no_worker_waits() -> bool:
        return not await has_waiting_worker(redis)

    processor = StubProcessor()
    await queue.enqueue([run_of(FIRST, [1, 2])])
    async with running_worker(redis_url, processor) as stop:
        await processor.started.wait()
        await until(lambda: has_waiting_worker(redis))
        stop.set()
        await until(no_worker_waits)
        await queue.enqueue([run_of(SECOND, [1, 2], batch=OTHER_BATCH)])
        processor.unblocked.set()
    assert processor.processed == chunks_of(run_of(FIRST, [1, 2]))
    assert await queue.depth() == 1


async def test_a_postponed_chunk_is_delivered_again_soon(queue: QueueService, redis_url: str) -> None:
    processor = unblocked_processor()
    processor.refusals = 2
    await queue.enqueue([run_of(FIRST, [1, 2])])
    async with running_worker(redis_url, processor):
        await wait_until_empty(queue)
    assert (processor.refusals, processor.processed) == (0, chunks_of(run_of(FIRST, [1, 2])))


@pytest.mark.every_case
@pytest.mark.parametrize(("script", "finished"), [(1, 1), (2, 2)], ids=["fetch", "completion of the chunk before"])
async def test_a_chunk_in_transit_to_a_stopping_worker_is_finished(
    queue: QueueService, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: int, finished: int
) -> None:
    stopping, paused = asyncio.Event(), asyncio.Event()

    class Observed(FetchingWorker):
        async def pause(self, do_not_wait_active: bool = False) -> None:
            stopping.set()
            await super().pause(do_not_wait_active)
            paused.set()

    monkeypatch.setattr("adsum.platform.redis.workers.FetchingWorker", Observed)
    processor = StubProcessor() if script == 1 else unblocked_processor()
    run = run_of(FIRST, [1, 2], [3], [4])
    await queue.enqueue([run])
    async with counting_valkey(redis_url, tmp_path) as (proxy, proxied):
        fetch = Fault(script, Moment.BEFORE, named="EVALSHA", breaks=False)
        proxy.arm(fetch)
        async with running_worker(proxied, processor, concurrency=1) as stop:
            await fetch.injected.wait()
            stop.set()
            await stopping.wait()
            fetch.resumed.set()
            await paused.wait()
            for _ in range(10):
                await asyncio.sleep(0)  # iterations of the event loop, enough for a worker to discard the chunk
            processor.unblocked.set()
    assert processor.processed == chunks_of(run)[:finished]
    assert await queue.depth() == len(chunks_of(run)) - finished
    assert await queue.shards[0].redis.llen("bull:attendance:active") == 0


async def test_workers_that_stop_during_the_check_for_stalled_chunks_leave_no_connection(
    redis_url: str, share: int
) -> None:
    for iterations in range(0, 200, 10 * share):  # some workers are in the middle of the check
        async with running_worker(redis_url, unblocked_processor(), stall_interval=0.001):
            for _ in range(iterations):
                await asyncio.sleep(0)
        gc.collect()  # an unclosed connection warns here, and warnings are errors


async def test_a_drain_beyond_its_deadline_leaves_the_chunk_to_another_worker(
    queue: QueueService, redis_url: str
) -> None:
    stuck, other = StubProcessor(), unblocked_processor()
    await queue.enqueue([run_of(FIRST, [1, 2])])
    async with running_worker(redis_url, stuck, drain_timeout=0.2):
        await stuck.started.wait()
    assert (stuck.processed, await queue.depth()) == ([], 1)
    async with running_worker(redis_url, other):
        await wait_until_empty(queue)
    assert other.processed == chunks_of(run_of(FIRST, [1, 2]))


async def test_an_event_loop_can_close_during_a_drain(queue: QueueService, redis_url: str) -> None:
    await queue.enqueue([run_of(FIRST, [1])])
    script = f"""
import asyncio
from adsum.batches.queue.worker import ChunkWorker
from adsum.platform.redis.workers import WorkerOptions

async def main():
    stop, started = asyncio.Event(), asyncio.Event()
    async def process(chunk, stalls):
        started.set()
        await asyncio.Event().wait()
    running = asyncio.create_task(ChunkWorker(WorkerOptions({redis_url!r}, "attendance", "", 4), process).run(stop))
    await started.wait()
    stop.set()
    await asyncio.wait({{running}}, timeout=0.2)  # long enough to begin with the drain

asyncio.run(main())
"""
    ended = await asyncio.create_subprocess_exec(sys.executable, "-c", script, env=environment())
    try:
        assert await asyncio.wait_for(ended.wait(), DEADLINE_S) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            ended.kill()


async def test_a_worker_started_before_its_server_begins_once_the_server_runs() -> None:
    processor = unblocked_processor()
    with short_folder() as folder:
        async with running_worker(f"unix://{folder}/valkey.sock", processor, drain_timeout=0.5):
            with valkey_in(folder) as server:
                redis = open_redis(url_of(server), connections=4, socket_timeout=5)
                await new_queue(redis).enqueue([run_of(FIRST, [1, 2])])
                await asyncio.wait_for(processor.done.wait(), DEADLINE_S)
                await redis.aclose()


async def test_a_worker_without_a_server_stops_on_request(tmp_path: Path) -> None:
    async with running_worker(f"unix://{tmp_path}/nobody.sock", unblocked_processor(), drain_timeout=0.5):
        await asyncio.sleep(0)
    with temporary_valkey() as server:
        stopped_url = url_of(server)
        stack = AsyncExitStack()
        await stack.enter_async_context(running_worker(stopped_url, unblocked_processor(), drain_timeout=0.5))
    await stack.aclose()
