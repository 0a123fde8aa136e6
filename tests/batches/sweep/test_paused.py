"""A paused queue: accepted batches wait, the sweeper neither duplicates nor drops them, and each is processed once."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest
from redis.asyncio import Redis
from sqlalchemy import func, select

from adsum import wiring
from adsum.attendance.tables import attendance_changes, attendances
from adsum.batches.queue.control import QueueControl
from adsum.platform.settings import Settings
from adsum.wiring import Adsum
from tests.support.api import Api
from tests.support.installation import RunWorker, ended, queue_keys
from tests.support.waiting import until


@pytest.fixture
async def control(settings: Settings) -> AsyncGenerator[QueueControl]:
    async with wiring.open_queue_control(settings) as opened:
        yield opened


@pytest.fixture(params=[10, 1], ids=["chunks of ten", "one student a message"])
def settings(settings: Settings, request: pytest.FixtureRequest) -> Settings:
    return settings.model_copy(update={"chunk_size": request.param})


async def test_a_batch_accepted_while_the_queue_is_paused_is_recorded_once_after_resuming(
    adsum: Adsum, api: Api, redis: Redis, worker: RunWorker, control: QueueControl
) -> None:
    await control.pause()
    created = await api.create()
    assert created.status_code == 202
    messages = (await control.state()).waiting
    async with worker():
        await until(lambda: has_worker(control))
        for _ in range(5):
            assert await adsum.sweeper.sweep() == 0
        state = await control.state()
        assert (state.is_paused, state.waiting, state.active) == (True, messages, 0)
        assert (await api.get(created.json()["statusUrl"])).json()["remainingJobs"] == 30
        await control.resume()
        status = await ended(adsum, created.json()["batchId"])
    assert status.tally.recorded == status.tally.total == 30
    assert list(await queue_keys(redis)) == [f"batch-completed:{created.json()['batchId']}"]
    async with adsum.database.snapshot() as connection:
        rows = [
            await connection.scalar(select(func.count()).select_from(table))
            for table in (attendances, attendance_changes)
        ]
    assert rows == [30, 0]


async def test_a_pause_is_lost_with_redis_and_waiting_chunks_are_enqueued_again(
    adsum: Adsum, api: Api, redis: Redis, worker: RunWorker, control: QueueControl
) -> None:
    await control.pause()
    created = (await api.create()).json()
    await redis.flushall()  # pyright: ignore[reportUnknownMemberType] - its **kwargs have no types
    async with worker():
        assert await adsum.sweeper.sweep() == 1
        status = await ended(adsum, created["batchId"])
    assert (status.tally.recorded, (await control.state()).is_paused) == (30, False)


async def has_worker(control: QueueControl) -> bool:
    return bool(await control.workers())
