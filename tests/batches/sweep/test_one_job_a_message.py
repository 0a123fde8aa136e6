"""`ADSUM_CHUNK_SIZE=1`: each student is one BullMQ job with the seed's id, which is the same in every run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from adsum.platform.settings import Settings
from adsum.wiring import Adsum
from tests.support.api import Api
from tests.support.installation import RunWorker, ended, queue_keys


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"chunk_size": 1})


async def test_each_student_is_one_job_with_the_seeds_id(
    adsum: Adsum, api: Api, redis: Redis, worker: RunWorker
) -> None:
    created = (await api.create()).json()
    waiting = [key for key in await queue_keys(redis) if key.startswith("bull:attendance:student-")]
    expected = {f"student-{i}-session-{api.school.session_id}-date-25122024" for i in api.school.student_ids}
    assert {key.removeprefix("bull:attendance:") for key in waiting} == expected
    async with worker():
        status = await ended(adsum, created["batchId"])
    assert status.tally.recorded == 30
    assert list(await queue_keys(redis)) == [f"batch-completed:{created['batchId']}"]


async def test_a_run_whose_messages_bullmq_dropped_as_duplicates_is_rescued(
    adsum: Adsum, api: Api, worker: RunWorker
) -> None:
    """BullMQ drops a message while one with the same id is being finished; the sweeper sends it again."""
    stop = asyncio.Event()
    sweeping = asyncio.create_task(adsum.sweeper.run(stop))
    students = api.school.student_ids[:3]
    async with worker():
        for number in range(10):
            marked = "selectedStudentIds" if number % 2 else "unselectedStudentIds"
            fields: dict[str, Any] = {"isSelectedAll": False, marked: students, "onExisting": "update"}
            created = (await api.create(**fields)).json()
            status = await ended(adsum, created["batchId"])
            assert (status.run_id, status.tally.recorded) == (created["runId"], 3)
    stop.set()
    await sweeping
