"""Fixtures for tests of the queue: a client, a ledger, a queue, and functions that read all keys."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from redis.asyncio import Redis

from adsum.attendance.rules import Mark
from adsum.attendance.statuses.rules import PRESENT
from adsum.batches.queue.ledger import Ledger, LedgerKeys, Tickets, holder_of_reply
from adsum.batches.queue.service import QueueService
from adsum.batches.rules import OnExisting, RunState
from adsum.batches.run import AttendanceJob, Run
from adsum.platform.ids import Batch
from adsum.platform.redis.connection import open_redis, translated
from adsum.platform.redis.shards import Shards

LOCK_TTL, COMPLETED_TTL = 3600, 86400
BATCH = Batch(123, 456, date(2024, 12, 25))
OTHER_BATCH = Batch(123, 457, date(2024, 12, 25))
KEYS = LedgerKeys("", BATCH)
FIRST, SECOND = "01930000-0000-7000-8000-000000000001", "01930000-0000-7000-8000-000000000002"

NewQueue = Callable[[Redis], QueueService]


@pytest.fixture
async def redis(redis_url: str) -> AsyncGenerator[Redis]:
    client = open_redis(redis_url, connections=8, socket_timeout=5)
    yield client
    await client.aclose()


@pytest.fixture
def ledger(redis: Redis) -> Ledger:
    return new_ledger(redis)


@pytest.fixture
def queue(redis: Redis) -> QueueService:
    return new_queue(redis)


def new_ledger(redis: Redis, key_prefix: str = "") -> Ledger:
    return Ledger(Shards.single(redis, key_prefix), lock_ttl=LOCK_TTL, completed_ttl=COMPLETED_TTL)


def new_queue(redis: Redis, key_prefix: str = "") -> QueueService:
    return QueueService(new_ledger(redis, key_prefix), queue_name="attendance")


def run_of(run_id: str, *chunks: list[int], batch: Batch = BATCH, by_student: bool = False) -> Run:
    """Returns a run with these students in its chunks. `by_student` sets a chunk size of 1."""
    plan = tuple(tuple(AttendanceJob(student_id, Mark(PRESENT)) for student_id in chunk) for chunk in chunks)
    return Run(
        run_id=run_id,
        school_id=1,
        batch=batch,
        number=1,
        state=RunState.OPEN,
        on_existing=OnExisting.SKIP,
        chunk_size=1 if by_student else 500,
        chunks=plan,
        accepted_at=datetime(2024, 12, 25, tzinfo=UTC),
        accepted_role="admin",
    )


async def claim(ledger: Ledger, batch: Batch, run_id: str, student_ids: Iterable[int]) -> str | None:
    """Claims the batch for one run. Returns the run that holds it instead, if any."""
    with translated():
        async with ledger.shards.of(batch.session_id).redis.pipeline(transaction=False) as pipe:
            await ledger.claim(Tickets(batch, run_id, list(student_ids)), pipe)
            (reply,) = await pipe.execute()
    return holder_of_reply(reply)


async def settle(ledger: Ledger, batch: Batch, run_id: str, student_ids: Iterable[int]) -> int | None:
    """Settles the jobs of one run."""
    return (await ledger.settle_all([Tickets(batch, run_id, list(student_ids))]))[0]


async def release(
    ledger: Ledger, batch: Batch, run_id: str, student_ids: Iterable[int], *, completed_at: datetime | None
) -> bool:
    """Releases the batch of one run."""
    return (await ledger.release_all([Tickets(batch, run_id, list(student_ids), completed_at)]))[0]


async def names(redis: Any) -> list[str]:
    """Returns the names of all keys. (redis-py's types allow bytes, which a client that decodes never returns.)"""
    return sorted(await redis.keys("*"))


async def values(redis: Redis) -> dict[str, str]:
    """Returns each key with its value, without BullMQ's keys."""
    return {name: str(await redis.get(name)) for name in await names(redis) if "bull:" not in name}


async def lifetimes(redis: Redis) -> dict[str, int]:
    """Returns the seconds to live of each key; -1 means no expiry."""
    return {name: await redis.ttl(name) for name in await values(redis)}


def tickets(run_id: str, *student_ids: int) -> dict[str, str]:
    return {KEYS.ticket(student_id): run_id for student_id in student_ids}
