"""Fixtures for a whole installation on real servers: settings, services, a school, HTTP, and a worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import date
from typing import Any

import pytest
from redis.asyncio import Redis
from sqlalchemy import update

from adsum import wiring
from adsum.accounts.access import system_caller
from adsum.batches.queue.ledger import RELEASED_UNTIL
from adsum.batches.queue.worker import ChunkWorker
from adsum.batches.rules import BatchStatus
from adsum.events.webhooks.queue import queue_of_webhooks
from adsum.platform.redis.connection import open_redis
from adsum.platform.redis.workers import WorkerOptions
from adsum.platform.settings import Settings
from adsum.roster.tables import enrolments
from adsum.wiring import Adsum
from tests.support.api import Api, opened_api
from tests.support.schools import SchoolIds, make_school

DEADLINE_S = 20.0

RunWorker = Callable[[], AbstractAsyncContextManager[None]]


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Settings:
    return Settings(database_url=database_url, redis_url=redis_url, secret_key="x" * 64)  # pyright: ignore[reportArgumentType]


@pytest.fixture
async def adsum(settings: Settings) -> AsyncGenerator[Adsum]:
    """All services."""
    async with wiring.open_adsum(settings) as opened:
        yield opened


@pytest.fixture
async def school(adsum: Adsum) -> SchoolIds:
    """A school of one class with 30 students."""
    async with adsum.database.transaction() as connection:
        return await make_school(connection, students=30)


@pytest.fixture
async def redis(settings: Settings) -> AsyncGenerator[Redis]:
    assert settings.redis_url is not None
    client = open_redis(settings.redis_url, connections=4, socket_timeout=5)
    yield client
    await client.aclose()


@pytest.fixture
def worker(adsum: Adsum) -> RunWorker:
    """Runs a real worker until the block ends, then drains it."""

    @asynccontextmanager
    async def run() -> AsyncGenerator[None]:
        stop = asyncio.Event()
        running = asyncio.create_task(new_worker(adsum).run(stop))
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait_for(running, DEADLINE_S)

    return run


def new_worker(adsum: Adsum) -> ChunkWorker:
    settings = adsum.settings
    assert settings.redis_url is not None
    options = WorkerOptions(settings.redis_url, settings.queue_name, settings.key_prefix, concurrency=4)
    return ChunkWorker(options, adsum.dispatcher.take)


async def ended(adsum: Adsum, batch_id: str) -> BatchStatus:
    """Waits until the newest run of a batch has ended."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            status = await adsum.attendances.get_batch_status(batch_id, system_caller())
            if status.remaining_jobs == 0 and not status.is_locked:
                return status
            await asyncio.sleep(0.01)  # polls a condition, with a deadline


@asynccontextmanager
async def one_student_away(adsum: Adsum, student_id: int) -> AsyncGenerator[None]:
    """Ends the student's enrolment until the block ends: the student's job fails."""
    of_student = update(enrolments).where(enrolments.c.student_id == student_id)
    async with adsum.database.transaction() as connection:
        await connection.execute(of_student.values(end_date=date(2024, 9, 3)))
    yield
    async with adsum.database.transaction() as connection:
        await connection.execute(of_student.values(end_date=None))


async def queue_keys(redis: Redis, prefix: str = "") -> dict[str, Any]:
    """Returns each key in Redis with its value or type, without BullMQ's permanent keys and the sweeper's position."""
    names = ("meta", "id", "events", "stalled-check", "marker")
    queues = ("attendance", queue_of_webhooks("attendance"))
    fixed = {f"{prefix}bull:{queue}:{name}" for queue in queues for name in names}
    fixed.add(f"{prefix}{RELEASED_UNTIL}")
    found: dict[str, Any] = {}
    keys: list[str] = [key async for key in redis.scan_iter()]  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    for key in sorted(keys):
        if key not in fixed:
            found[key] = await redis.get(key) if await redis.type(key) == "string" else await redis.type(key)
    return found


@pytest.fixture
async def api(adsum: Adsum, school: SchoolIds) -> AsyncGenerator[Api]:
    async with opened_api(adsum, school) as opened:
        yield opened
