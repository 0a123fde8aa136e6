"""How soon and how many events one worker process delivers."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from adsum.accounts.access import system_caller
from adsum.events.webhooks.queue import CONCURRENCY, new_webhook_worker, queue_of_webhooks
from adsum.events.webhooks.service import NewWebhook
from adsum.platform.clock import system_clock
from adsum.platform.database.new_events import EventType, NewEvent, write_events
from adsum.platform.redis.workers import WorkerOptions
from adsum.platform.settings import Settings
from adsum.wiring import Adsum, migrate, open_adsum
from benchmarks.servers import Data, Servers, own_data, started_servers
from benchmarks.webhooks.receiver import Receiver, receiving

RECEIVERS = 10
BACKLOG = 5_000
IDLE_EVENTS = 100
COUNTS: dict[str, int] = dict.fromkeys(("added", "changed", "ended", "unchanged", "failed"), 0)


@asynccontextmanager
async def delivering(adsum: Adsum) -> AsyncGenerator[None]:
    """Dispatches and delivers as a worker process does."""
    settings, stop = adsum.settings, asyncio.Event()
    assert settings.redis_url is not None
    options = WorkerOptions(
        settings.redis_url, queue_of_webhooks(settings.queue_name), settings.key_prefix, CONCURRENCY
    )
    adsum.sweeper.is_leading = True
    running = asyncio.gather(new_webhook_worker(options, adsum.deliveries).run(stop), adsum.dispatch.run(stop))
    try:
        yield
    finally:
        stop.set()
        await running


async def happen(adsum: Adsum, count: int) -> None:
    async with adsum.database.transaction() as connection:
        await write_events(connection, [NewEvent(EventType.ROSTER_IMPORTED, None, COUNTS)] * count, system_clock())


async def measure() -> list[str]:
    """Prints the figures. Nothing is checked."""
    with receiving() as receiver, started_servers() as servers:
        async with own_data(servers, "template1") as data:
            settings = _settings(servers, data)
            await migrate(settings)
            async with open_adsum(settings) as adsum:
                await _measure(adsum, receiver)
    return []


async def _measure(adsum: Adsum, receiver: Receiver) -> None:
    await adsum.webhooks.create(NewWebhook(receiver.url()), system_caller())
    written: list[float] = []
    async with delivering(adsum):
        await happen(adsum, 1)
        await receiver.wait_for(1)
        for number in range(IDLE_EVENTS):
            await happen(adsum, 1)
            written.append(time.monotonic())
            await receiver.wait_for(2 + number)
            await asyncio.sleep(0.1)
    pauses = [came - at for came, at in zip(receiver.times()[1:], written, strict=True)]
    shares = statistics.quantiles(pauses, n=100)
    print(f"event to delivery, idle, ms: p50 {1000 * shares[49]:.0f}, p95 {1000 * shares[94]:.0f}")
    print(f"deliveries/s, 1 webhook: {await rate(adsum, receiver, 1):,.0f}")
    for number in range(2, RECEIVERS + 1):
        await adsum.webhooks.create(NewWebhook(receiver.url(number)), system_caller())
    print(f"deliveries/s, {RECEIVERS} webhooks: {await rate(adsum, receiver, RECEIVERS):,.0f}")


async def rate(adsum: Adsum, receiver: Receiver, webhooks: int) -> float:
    """Deliveries per second of a backlog that each of these webhooks receives."""
    count, before = BACKLOG // webhooks * webhooks, receiver.counts().new
    await happen(adsum, BACKLOG // webhooks)
    await adsum.event_numbering.number()
    async with delivering(adsum):
        await receiver.wait_for(before + count)
    times = receiver.times()[before:]
    return count / (times[-1] - times[0])


def _settings(servers: Servers, data: Data) -> Settings:
    url = f"postgresql://postgres@/{data.database}?host={servers.postgres.folder}"
    return Settings(
        database_url=url,
        redis_url=data.redis_url,
        secret_key="x" * 64,  # pyright: ignore[reportArgumentType]
        webhook_allowed_networks="127.0.0.0/8",
    )
