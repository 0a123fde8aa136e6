"""A worker at its queue, and a desk in the place of the processor, for the tests of both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from adsum.batches.queue.chunks import Chunk
from adsum.batches.queue.service import QueueService
from adsum.batches.queue.worker import ChunkWorker, NotNow, WorkerOptions
from tests.support.waiting import DEADLINE_S, until


@dataclass
class Desk:
    """Takes chunks as a processor would, and notes what came. While `hold` is set, nothing gets done."""

    processed: list[Chunk] = field(default_factory=list[Chunk])
    stalls: list[int] = field(default_factory=list[int])
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    refusals: int = 0

    async def process(self, chunk: Chunk, stalls: int) -> None:
        self.begun.set()
        if self.refusals:
            self.refusals -= 1
            raise NotNow
        await self.go_on.wait()
        self.processed.append(chunk)
        self.stalls.append(stalls)
        self.done.set()


def ready_desk() -> Desk:
    desk = Desk()
    desk.go_on.set()
    return desk


@asynccontextmanager
async def working(
    url: str, desk: Desk, *, concurrency: int = 4, drain_timeout: float = 10.0, stall_interval: float = 1.0
) -> AsyncGenerator[asyncio.Event]:
    """A worker while the block lasts, or until the event that it gives is set."""
    options = WorkerOptions(
        url, "attendance", "", concurrency, stall_interval=stall_interval, drain_timeout=drain_timeout
    )
    stop = asyncio.Event()
    running = asyncio.create_task(ChunkWorker(options, desk.process).run(stop))
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(running, DEADLINE_S)


async def emptied(queue: QueueService) -> None:
    async def nothing_waits() -> bool:
        return await queue.depth() == 0

    await until(nothing_waits)


async def somebody_waits_for_chunks(redis: Any) -> bool:
    # Blocked, not just "whose last command was BZPOPMIN": a connection says that also between two waits.
    return any("b" in client["flags"] for client in await redis.client_list())


async def scripts_called(redis: Any) -> int:
    return int((await redis.info("commandstats")).get("cmdstat_evalsha", {"calls": 0})["calls"])
