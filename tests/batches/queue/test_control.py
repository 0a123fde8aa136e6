"""Queue control for operators: pause, resume, depth, workers and orphaned messages."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from adsum.batches.queue.chunks import chunks_of
from adsum.batches.queue.control import SILENT_AFTER_S, ConnectedWorker, QueueControl, QueueState
from adsum.batches.queue.service import QueueService, RunToEnqueue
from adsum.platform.redis.connection import QueueOutage, open_redis
from adsum.platform.redis.shards import Shards
from tests.batches.queue.conftest import FIRST, OTHER_BATCH, SECOND, run_of
from tests.batches.queue.test_worker import StubProcessor, running_worker, unblocked_processor, wait_until_empty
from tests.support.waiting import until

CHUNKS = chunks_of(run_of(FIRST, [1, 2], [3]))


@pytest.fixture
def control(redis: Redis) -> QueueControl:
    return QueueControl(Shards.single(redis, ""), queue_name="attendance")


async def test_a_paused_queue_delivers_nothing_until_it_is_resumed(
    queue: QueueService, control: QueueControl, redis_url: str
) -> None:
    processor = unblocked_processor()
    async with running_worker(redis_url, processor):
        await control.pause()
        await queue.enqueue([run_of(FIRST, [1, 2], [3])])
        assert await control.state() == QueueState(is_paused=True, waiting=2, active=0, delayed=0, failed=0)
        await until(lambda: one_worker_waits(control))
        assert processor.processed == []
        await control.resume()
        await wait_until_empty(queue)
    assert sorted(chunk.number for chunk in processor.processed) == [0, 1]
    assert not (await control.state()).is_paused


async def test_pausing_lets_workers_finish_their_chunks(
    queue: QueueService, control: QueueControl, redis_url: str
) -> None:
    processor = StubProcessor()
    await queue.enqueue([run_of(FIRST, [1, 2])])
    async with running_worker(redis_url, processor):
        await processor.started.wait()
        await control.pause()
        await queue.enqueue([run_of(SECOND, [1, 2], batch=OTHER_BATCH)])
        processor.unblocked.set()
        await until(lambda: nothing_is_active(control))
        assert [chunk.run_id for chunk in processor.processed] == [FIRST]
        assert (await control.state()).waiting == 1
        await control.resume()
        await wait_until_empty(queue)


async def one_worker_waits(control: QueueControl) -> bool:
    return len(await control.workers()) == 1


async def has_no_workers(control: QueueControl) -> bool:
    return not await control.workers()


async def nothing_is_active(control: QueueControl) -> bool:
    return (await control.state()).active == 0


async def test_a_running_worker_is_listed_with_its_host_and_process(control: QueueControl, redis_url: str) -> None:
    assert await control.workers() == []
    async with running_worker(redis_url, unblocked_processor()):
        await until(lambda: one_worker_waits(control))
        (listed,) = await control.workers()
        assert listed.name.endswith(f":{os.getpid()}")
        assert listed.is_alive
    # The server notices a closed connection with a delay.
    await until(lambda: has_no_workers(control))


async def test_a_worker_is_listed_again_after_it_reconnects(
    queue: QueueService, control: QueueControl, redis: Any, redis_url: str
) -> None:
    async def waits_for_chunks() -> bool:
        return any(client["cmd"] == "bzpopmin" for client in await redis.client_list())

    async with running_worker(redis_url, unblocked_processor()):
        await until(waits_for_chunks)
        for client in await redis.client_list():
            if ":w:" in client["name"]:
                await redis.client_kill_filter(client["id"])
        await queue.enqueue([run_of(FIRST, [1, 2])])
        await wait_until_empty(queue)
        await until(waits_for_chunks)
        assert await one_worker_waits(control)


async def test_workers_of_another_installation_are_not_counted(redis: Redis, redis_url: str) -> None:
    other = QueueControl(Shards.single(redis, "other:"), queue_name="attendance")
    async with running_worker(redis_url, unblocked_processor()):
        ours = QueueControl(Shards.single(redis, ""), queue_name="attendance")
        await until(lambda: one_worker_waits(ours))
        assert await other.workers() == []


def test_a_worker_that_sends_nothing_for_long_is_not_alive() -> None:
    assert ConnectedWorker("host:1", SILENT_AFTER_S - 1).is_alive
    assert not ConnectedWorker("host:1", SILENT_AFTER_S).is_alive


async def test_a_message_in_no_list_is_orphaned_and_a_waiting_one_is_not(
    queue: QueueService, control: QueueControl, redis: Redis
) -> None:
    await queue.enqueue([run_of(FIRST, [1, 2], [3])])
    unheard_of = chunks_of(run_of(SECOND, [1], batch=OTHER_BATCH))
    assert await control.orphaned_messages([*CHUNKS, *unheard_of]) == []
    await redis.delete("bull:attendance:wait")
    assert await control.orphaned_messages(CHUNKS) == CHUNKS
    await control.forget(CHUNKS[:1])
    assert await control.orphaned_messages(CHUNKS) == CHUNKS[1:]


async def test_any_number_of_failed_messages_is_removed(
    queue: QueueService, control: QueueControl, redis: Redis
) -> None:
    await fail_all(queue, redis, count=450)
    state = await control.state()
    assert (state.failed, state.waiting) == (450, 0)
    assert await control.forget_failed() == 450
    assert (await control.state()).failed == 0
    assert await redis.exists(f"bull:attendance:{chunks_of(run_of(FIRST, [1]))[0].message_id}") == 0


async def fail_all(queue: QueueService, redis: Redis, count: int) -> None:
    """Moves all messages to BullMQ's failed set."""
    run = run_of(FIRST, *([i] for i in range(1, count + 1)))
    # Without the deadline of a request, which a busy test machine exceeds.
    await queue.claim_and_enqueue([RunToEnqueue(run.batch, run.run_id, run.student_ids, chunks_of(run))])
    ids = [str(name) for name in await redis.lrange("bull:attendance:wait", 0, -1)]
    await redis.delete("bull:attendance:wait")
    await redis.zadd("bull:attendance:failed", dict.fromkeys(ids, 1_700_000_000_000))


async def test_an_unreachable_server_is_an_outage(tmp_path: Path) -> None:
    redis = open_redis(f"unix://{tmp_path}/nobody.sock", connections=4, socket_timeout=5)
    control = QueueControl(Shards.single(redis, ""), queue_name="attendance")
    for question in (control.state, control.workers, control.pause, control.resume, control.forget_failed):
        with pytest.raises(QueueOutage):
            await asyncio.wait_for(question(), 5)
    await redis.aclose()
