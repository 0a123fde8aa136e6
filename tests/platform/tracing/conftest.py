"""A traced installation: the API, a worker and webhooks in the test's process, and a collector of OTLP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from adsum.accounts.access import Role
from adsum.batches.queue.worker import ChunkWorker
from adsum.events.webhooks.queue import new_webhook_worker, queue_of_webhooks
from adsum.platform.redis.workers import WorkerOptions
from adsum.platform.settings import Settings
from adsum.platform.tracing.exporting import exporting
from adsum.wiring import Adsum
from tests.support import waiting
from tests.support.api import Api
from tests.support.application import running_app
from tests.support.collector import Collector, collecting
from tests.support.installation import DEADLINE_S
from tests.support.schools import make_school

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE_ID, PARENT_ID = PARENT.split("-")[1:3]


@dataclass
class Traced:
    """Two schools whose requests are traced."""

    apis: list[Api]
    adsum: Adsum
    collector: Collector

    @property
    def api(self) -> Api:
        return self.apis[0]

    async def mark(self) -> dict[str, Any]:
        """Marks the class of the first school, in the trace of a client: `PARENT`. Returns the answer."""
        school = self.api.school
        body = {"classId": school.class_id, "sessionId": school.session_id, "learningDate": "2024-12-25"}
        headers = {"traceparent": PARENT, "tracestate": "vendor=1"}
        answer = await self.api.post("/attendances/create-batch", body | {"isSelectedAll": True}, "office", headers)
        assert answer.is_success, answer.text
        return answer.json()

    async def options_of_message(self) -> dict[str, Any]:
        """The options of the only message in the queue."""
        redis: Any = self.adsum.shards.home.redis
        (key,) = [key async for key in redis.scan_iter(match="bull:attendance:class-*")]
        return json.loads(await redis.hget(key, "opts"))

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[None]:
        """Processes chunks and delivers events until the block ends."""
        settings, stop = self.adsum.settings, asyncio.Event()
        assert settings.redis_url is not None
        options = WorkerOptions(settings.redis_url, settings.queue_name, settings.key_prefix, 4)
        of_webhooks = WorkerOptions(settings.redis_url, queue_of_webhooks(settings.queue_name), settings.key_prefix, 4)
        self.adsum.sweeper.is_leading = True
        running = asyncio.gather(
            ChunkWorker(options, self.adsum.dispatcher.take, self.adsum.tracing).run(stop),
            new_webhook_worker(of_webhooks, self.adsum.deliveries).run(stop),
            self.adsum.dispatch.run(stop),
        )
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait_for(running, DEADLINE_S)


async def until(condition: Callable[[], object]) -> None:
    async def holds() -> object:
        return condition()

    await waiting.until(holds)


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Generator[Collector]:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
        yield collector


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Receivers on loopback; runs are swept immediately after acceptance."""
    return settings.model_copy(update={"webhook_allowed_networks": "127.0.0.0/8", "sweep_grace": 0})


@pytest.fixture
async def traced(collector: Collector, settings: Settings) -> AsyncGenerator[Traced]:
    async with exporting("adsum-api") as exports, running_app(settings, tracing=exports.tracing) as app:
        adsum: Adsum = app.state.adsum
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://adsum.test") as client:
            apis: list[Api] = []
            for _ in range(2):
                async with adsum.database.transaction() as connection:
                    school = await make_school(connection, students=3)
                apis.append(Api(client, adsum, school))
                await apis[-1].sign_in(Role.OFFICE, school.school_id)
            yield Traced(apis, adsum, collector)
