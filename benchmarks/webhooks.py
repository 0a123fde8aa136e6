"""`python -m benchmarks.webhooks`: how soon and how many events one worker process delivers to receivers on loopback.

The receivers answer 204 at once, and run in a process of their own. Postgres and Valkey are durable, as for the other
benchmarks. Not a test: only its ratios to other runs on the same machine mean anything.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import uvloop

from adsum.accounts.access import system_caller
from adsum.batches.queue.worker import WorkerOptions
from adsum.events.webhooks.queue import CONCURRENCY, new_webhook_worker, queue_of_webhooks
from adsum.events.webhooks.service import NewWebhook
from adsum.platform.clock import system_clock
from adsum.platform.database.new_events import EventType, NewEvent, write_events
from adsum.platform.settings import Settings
from adsum.wiring import Adsum, migrate, open_adsum
from benchmarks.servers import Data, Servers, own_data, started_servers

RECEIVERS = 10
BACKLOG = 5_000
IDLE_EVENTS = 100
COUNTS: dict[str, int] = dict.fromkeys(("added", "changed", "ended", "unchanged", "failed"), 0)


def receive(pipe: Any) -> None:
    """Serves one port. Sends its number, then the time at which each request has arrived."""
    asyncio.run(_serve(pipe))


async def _serve(pipe: Any) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                (length,) = (line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
                await reader.readexactly(int(length.partition(b":")[2]))
                pipe.send(time.monotonic())
                writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


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


async def arrivals(pipe: Any, count: int) -> list[float]:
    return [await asyncio.to_thread(pipe.recv) for _ in range(count)]


async def measure(adsum: Adsum, pipe: Any, port: int) -> None:
    url = f"http://127.0.0.1:{port}/"
    await adsum.webhooks.create(NewWebhook(url), system_caller())
    async with delivering(adsum):
        await happen(adsum, 1)
        await arrivals(pipe, 1)
        pauses: list[float] = []
        for _ in range(IDLE_EVENTS):
            await happen(adsum, 1)
            committed = time.monotonic()
            pauses.append((await arrivals(pipe, 1))[0] - committed)
            await asyncio.sleep(0.1)
    shares = statistics.quantiles(pauses, n=100)
    print(f"event to delivery, idle, ms: p50 {1000 * shares[49]:.0f}, p95 {1000 * shares[94]:.0f}")
    print(f"deliveries/s, 1 webhook: {await rate(adsum, pipe, 1):,.0f}")
    for _ in range(RECEIVERS - 1):
        await adsum.webhooks.create(NewWebhook(url), system_caller())
    print(f"deliveries/s, {RECEIVERS} webhooks: {await rate(adsum, pipe, RECEIVERS):,.0f}")


async def rate(adsum: Adsum, pipe: Any, webhooks: int) -> float:
    """Deliveries per second of a backlog that each of these webhooks receives."""
    events = BACKLOG // webhooks
    await happen(adsum, events)
    await adsum.event_numbering.number()
    async with delivering(adsum):
        times = await arrivals(pipe, events * webhooks)
    return len(times) / (times[-1] - times[0])


async def main() -> None:
    pipes: tuple[Any, Any] = multiprocessing.Pipe()
    ours, theirs = pipes
    receiver = multiprocessing.get_context("spawn").Process(target=receive, args=(theirs,), daemon=True)
    receiver.start()
    port = ours.recv()
    try:
        with started_servers() as servers:
            async with own_data(servers, "template1") as data:
                settings = _settings(servers, data)
                await migrate(settings)
                async with open_adsum(settings) as adsum:
                    await measure(adsum, ours, port)
    finally:
        receiver.kill()


def _settings(servers: Servers, data: Data) -> Settings:
    url = f"postgresql://postgres@/{data.database}?host={servers.postgres.folder}"
    return Settings(
        database_url=url,
        redis_url=data.redis_url,
        secret_key="x" * 64,  # pyright: ignore[reportArgumentType]
        webhook_allowed_networks="127.0.0.0/8",
    )


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
