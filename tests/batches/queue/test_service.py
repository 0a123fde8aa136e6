"""QueueService: claims and enqueues an accepted run. Enqueueing it again adds nothing."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import pytest
from redis.asyncio import Redis

from adsum.batches.queue import service
from adsum.batches.queue.ledger import Tickets
from adsum.batches.queue.service import QueueService
from adsum.platform.embedded.valkey import Valkey
from adsum.platform.redis.connection import REQUEST_DEADLINE_S, QueueOutage, open_redis
from adsum.servers import REDIS_TIMEOUT_S
from tests.batches.queue.conftest import (
    BATCH,
    FIRST,
    KEYS,
    OTHER_BATCH,
    SECOND,
    lifetimes,
    new_queue,
    run_of,
    tickets,
    values,
)
from tests.support.servers.processes import frozen
from tests.support.servers.valkey import pid_of, tell, url_of

WAITING = "bull:attendance:wait"
NOW = datetime(2024, 12, 25, 8, 30, tzinfo=UTC)


async def waiting(redis: Redis, prefix: str = "") -> list[str]:
    return [str(name) for name in reversed(await redis.lrange(f"{prefix}{WAITING}", 0, -1))]


async def test_a_run_is_claimed_and_its_chunks_are_queued_in_order(queue: QueueService, redis: Redis) -> None:
    assert await queue.enqueue([run_of(FIRST, [1, 2], [3, 4], [5])]) == [None]
    assert await waiting(redis) == [
        f"{BATCH.id}-run-{FIRST}-chunk-0",
        f"{BATCH.id}-run-{FIRST}-chunk-1",
        f"{BATCH.id}-run-{FIRST}-chunk-2",
    ]
    assert await values(redis) == {KEYS.lock: FIRST, KEYS.counter: "5"} | tickets(FIRST, 1, 2, 3, 4, 5)


async def test_enqueueing_again_adds_nothing(queue: QueueService, redis: Redis) -> None:
    run = run_of(FIRST, [1, 2], [3])
    await queue.enqueue([run])
    before = await values(redis), await waiting(redis)
    assert await queue.enqueue([run]) == [None]
    assert (await values(redis), await waiting(redis)) == before


async def test_twenty_concurrent_enqueues_add_one_message_per_chunk(redis: Redis) -> None:
    run = run_of(FIRST, [1, 2], [3])
    queues = [new_queue(redis) for _ in range(4)]
    started = await asyncio.gather(*(queues[i % 4].enqueue([run]) for i in range(20)))
    assert started == [[None]] * 20
    assert len(await waiting(redis)) == 2
    assert await redis.get(KEYS.counter) == "3"


async def test_one_of_two_concurrent_runs_holds_the_batch(queue: QueueService, redis: Redis) -> None:
    (first,), (second,) = await asyncio.gather(*(queue.enqueue([run_of(run, [1, 2])]) for run in (FIRST, SECOND)))
    holder = first or second
    assert {first, second} == {None, holder}
    assert await values(redis) == {KEYS.lock: holder, KEYS.counter: "2"} | tickets(str(holder), 1, 2)


async def test_a_run_that_meets_the_lock_of_another_run_is_enqueued_and_reports_the_holder(
    queue: QueueService, redis: Redis
) -> None:
    await queue.enqueue([run_of(FIRST, [1, 2])])
    before = await values(redis)
    assert await queue.enqueue([run_of(SECOND, [3, 4])]) == [FIRST]
    assert await values(redis) == before
    assert f"{BATCH.id}-run-{SECOND}-chunk-0" in await waiting(redis)


async def test_the_lock_of_an_ended_run_is_taken_over_and_its_keys_are_dropped(
    queue: QueueService, redis: Redis
) -> None:
    """Only the lock is taken over: the run's finished jobs must not be counted again."""
    await queue.enqueue([run_of(FIRST, [1, 2])])
    assert await queue.ledger.take_over(Tickets(BATCH, FIRST, [1, 2], None), SECOND)
    assert await values(redis) == {KEYS.lock: SECOND}
    assert await queue.ledger.settle_all([Tickets(BATCH, SECOND, [1])]) == [None]
    assert await queue.ledger.release_all([Tickets(BATCH, SECOND, [1, 2], NOW)]) == [True]
    assert await values(redis) == {KEYS.marker: NOW.isoformat()}


async def test_many_chunks_are_sent_in_several_pipelines(
    queue: QueueService, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await queue.enqueue([run_of(FIRST, [7], batch=OTHER_BATCH)])  # the holder's lock refuses one of them
    monkeypatch.setattr(service, "SENT_AT_ONCE", 2)
    runs = [run_of(FIRST, [1], [2], [3]), run_of(SECOND, [4], batch=OTHER_BATCH)]
    assert await queue.enqueue(runs) == [None, FIRST]
    assert len(await waiting(redis)) == 5


async def test_a_waiting_message_of_a_student_is_not_added_again_by_the_next_run(
    queue: QueueService, redis: Redis
) -> None:
    await queue.enqueue([run_of(FIRST, [7], by_student=True)])
    assert await queue.enqueue([run_of(SECOND, [7], by_student=True)]) == [FIRST]
    assert await waiting(redis) == [BATCH.job_id(7)]


async def test_every_key_has_a_time_to_live(queue: QueueService, redis: Redis) -> None:
    await queue.enqueue([run_of(FIRST, [1, 2])])
    left = await lifetimes(redis)
    assert len(left) == 4
    assert min(left.values()) > 0


async def test_the_key_prefix_separates_installations(redis: Redis) -> None:
    one, other = new_queue(redis, "{adsum-1}"), new_queue(redis, "{adsum-2}")
    await one.enqueue([run_of(FIRST, [1, 2])])
    assert [len(await waiting(redis, prefix)) for prefix in ("{adsum-1}", "{adsum-2}", "")] == [1, 0, 0]
    assert [await one.depth(), await other.depth()] == [1, 0]


async def test_the_depth_is_the_number_of_unfinished_chunks(queue: QueueService) -> None:
    assert await queue.depth() == 0
    await queue.enqueue([run_of(FIRST, [1, 2], [3, 4])])
    await queue.enqueue([run_of(SECOND, [1, 2], batch=OTHER_BATCH)])
    assert await queue.depth() == 3


async def test_the_lock_is_reported_under_its_public_name(queue: QueueService) -> None:
    assert queue.lock_key(BATCH.id) == KEYS.lock


async def test_a_frozen_server_delays_a_request_at_most_by_the_deadline(own_valkey: Valkey) -> None:
    redis = open_redis(url_of(own_valkey), connections=8, socket_timeout=REDIS_TIMEOUT_S)
    queue = new_queue(redis)
    await queue.ping()
    with frozen(pid_of(own_valkey)):
        start = time.monotonic()
        with pytest.raises(QueueOutage):
            await queue.enqueue([run_of(FIRST, [1, 2])])
        assert REQUEST_DEADLINE_S * 0.9 < time.monotonic() - start < REDIS_TIMEOUT_S
    assert await queue.enqueue([run_of(FIRST, [1, 2])]) == [None]
    assert (await waiting(redis), await redis.get(KEYS.counter)) == ([f"{BATCH.id}-run-{FIRST}-chunk-0"], "2")
    await redis.aclose()


async def test_a_reply_to_an_abandoned_command_is_not_used_for_another_command(own_valkey: Valkey) -> None:
    redis = open_redis(url_of(own_valkey), connections=1, socket_timeout=5)
    queue = new_queue(redis)
    await redis.set("kept", "value")
    with frozen(pid_of(own_valkey)), pytest.raises(QueueOutage):
        await queue.enqueue([run_of(FIRST, [1, 2])])
    assert [await redis.get("kept") for _ in range(5)] == ["value"] * 5
    await redis.aclose()


async def test_a_frozen_server_does_not_answer_a_ping(own_valkey: Valkey) -> None:
    redis = open_redis(url_of(own_valkey), connections=8, socket_timeout=5)
    with frozen(pid_of(own_valkey)), pytest.raises(QueueOutage):
        await new_queue(redis).ping()
    await redis.aclose()


async def test_an_unreachable_server_is_an_outage(tmp_path: object) -> None:
    redis = open_redis(f"unix://{tmp_path}/nobody.sock", connections=8, socket_timeout=5)
    with pytest.raises(QueueOutage):
        await new_queue(redis).enqueue([run_of(FIRST, [1])])
    with pytest.raises(QueueOutage):
        await new_queue(redis).depth()
    await redis.aclose()


async def test_a_server_that_refuses_writes_is_an_outage(own_valkey: Valkey) -> None:
    redis = open_redis(url_of(own_valkey), connections=8, socket_timeout=5)
    tell(own_valkey, "CONFIG SET maxmemory 1")
    with pytest.raises(QueueOutage):
        await new_queue(redis).enqueue([run_of(FIRST, [1])])
    tell(own_valkey, "CONFIG SET maxmemory 0")
    tell(own_valkey, "CONFIG SET min-replicas-to-write 1")
    with pytest.raises(QueueOutage):
        await new_queue(redis).enqueue([run_of(FIRST, [1])])
    await redis.aclose()
