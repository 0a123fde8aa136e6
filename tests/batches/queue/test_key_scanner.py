"""Finds all keys of an installation and no others. Drops a key only if its value is unchanged."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from redis.asyncio import Redis

from adsum.batches.queue.key_scanner import KeyKind, KeyScanner
from adsum.batches.queue.ledger import Ledger
from adsum.platform.redis.connection import QueueOutage, open_redis
from adsum.platform.redis.shards import Shards
from tests.batches.queue.conftest import (
    BATCH,
    FIRST,
    KEYS,
    OTHER_BATCH,
    SECOND,
    claim,
    names,
    new_ledger,
    new_queue,
    release,
    run_of,
)

LIMIT = 100_000


async def fill(ledger: Ledger) -> None:
    await claim(ledger, BATCH, FIRST, [1, 2])
    await claim(ledger, OTHER_BATCH, SECOND, [3])
    await release(ledger, OTHER_BATCH, SECOND, [3], completed_at=datetime(2024, 12, 25, tzinfo=UTC))
    await ledger.lead(ledger.shards.home, "somebody", 60)
    await ledger.move_released(ledger.shards.home, [], "", "2024-12-25")


async def test_each_key_is_classified(redis: Redis, ledger: Ledger) -> None:
    await fill(ledger)
    await redis.set("attendance-batch-lock:no-batch", "theirs")
    await redis.set("student-of-theirs", "theirs")
    found = await KeyScanner(Shards.single(redis, "")).scan(LIMIT)
    assert not found.is_cut_off
    assert {(key.name, key.kind, key.batch) for key in found.keys} == {
        (KEYS.lock, KeyKind.LOCK, BATCH),
        (KEYS.counter, KeyKind.COUNTER, BATCH),
        (KEYS.ticket(1), KeyKind.TICKET, None),
        (KEYS.ticket(2), KeyKind.TICKET, None),
        (f"batch-completed:{OTHER_BATCH.id}", KeyKind.MARKER, OTHER_BATCH),
        ("attendance-sweeper", KeyKind.LEADER, None),
        ("attendance-released-until", KeyKind.RELEASED_UNTIL, None),
    }
    assert {key.value for key in found.of(KeyKind.TICKET)} == {FIRST}
    assert all(key.lifetime is not None and key.lifetime > 0 for key in found.keys)


@pytest.mark.parametrize("prefix", ["{adsum-1}", "a*b?[c]\\d:"])
async def test_only_keys_of_this_installation_are_found(redis: Redis, prefix: str) -> None:
    await claim(new_ledger(redis, prefix), BATCH, FIRST, [1])
    await claim(new_ledger(redis, "axbyc\\d:"), OTHER_BATCH, SECOND, [1])
    await claim(new_ledger(redis), OTHER_BATCH, SECOND, [2])
    found = await KeyScanner(Shards.single(redis, prefix)).scan(LIMIT)
    assert {key.value for key in found.keys if key.kind is not KeyKind.COUNTER} == {FIRST}
    assert len(found.keys) == 3


async def test_a_scan_ends_at_its_limit_and_reports_it(redis: Redis, ledger: Ledger) -> None:
    await claim(ledger, BATCH, FIRST, range(1, 5001))
    found = await KeyScanner(Shards.single(redis, "")).scan(2000)
    assert found.is_cut_off
    assert 0 < len(found.keys) < 5000
    assert len((await KeyScanner(Shards.single(redis, "")).scan(LIMIT)).keys) == 5002


async def test_a_key_without_expiry_is_found_and_given_one(redis: Redis, ledger: Ledger) -> None:
    await claim(ledger, BATCH, FIRST, [1])
    await redis.persist(KEYS.ticket(1))
    key_scanner = KeyScanner(Shards.single(redis, ""))
    assert [key.name for key in (await key_scanner.scan(LIMIT)).keys if key.lifetime is None] == [KEYS.ticket(1)]
    await key_scanner.limit([KEYS.ticket(1)], 60)
    assert 0 < await redis.ttl(KEYS.ticket(1)) <= 60


async def test_only_unchanged_keys_are_dropped(redis: Redis, ledger: Ledger) -> None:
    await claim(ledger, BATCH, FIRST, range(1, 1501))
    tickets = {KEYS.ticket(i): FIRST for i in range(1, 1501)}
    await redis.set(KEYS.ticket(7), SECOND)
    assert await KeyScanner(Shards.single(redis, "")).drop(tickets) == 1499
    assert await names(redis) == sorted([KEYS.lock, KEYS.counter, KEYS.ticket(7)])
    assert await KeyScanner(Shards.single(redis, "")).drop({}) == 0


async def test_permanent_keys_of_bullmq_are_not_stale(redis: Redis) -> None:
    await new_queue(redis).enqueue([run_of(FIRST, [1])])
    assert not any("bull" in key.name for key in (await KeyScanner(Shards.single(redis, "")).scan(LIMIT)).keys)


async def test_an_unreachable_server_is_an_outage(tmp_path: Path) -> None:
    redis = open_redis(f"unix://{tmp_path}/nobody.sock", connections=4, socket_timeout=5)
    with pytest.raises(QueueOutage):
        await KeyScanner(Shards.single(redis, "")).scan(LIMIT)
    await redis.aclose()
