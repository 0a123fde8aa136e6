"""A worker whose processor is replaced, for tests of the worker and the queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from adsum.batches.queue.chunks import Chunk
from adsum.batches.queue.service import QueueService
from adsum.batches.queue.worker import ChunkWorker, NotNow
from adsum.platform.redis.workers import WorkerOptions
from tests.support.waiting import DEADLINE_S, until

if TYPE_CHECKING:
    from adsum.platform.tracing.otlp import Tracing


@dataclass
class StubProcessor:
    """Replaces the processor: lists the chunks that it processes. It finishes no chunk before `unblocked` is set."""

    processed: list[Chunk] = field(default_factory=list[Chunk])
    stalls: list[int] = field(default_factory=list[int])
    started: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    unblocked: asyncio.Event = field(default_factory=asyncio.Event)

    refusals: int = 0

    async def process(self, chunk: Chunk, stalls: int) -> None:
        self.started.set()
        if self.refusals:
            self.refusals -= 1
            raise NotNow
        await self.unblocked.wait()
        self.processed.append(chunk)
        self.stalls.append(stalls)
        self.done.set()


def unblocked_processor() -> StubProcessor:
    processor = StubProcessor()
    processor.unblocked.set()
    return processor


@asynccontextmanager
async def running_worker(
    url: str,
    processor: StubProcessor,
    *,
    concurrency: int = 4,
    drain_timeout: float = 10.0,
    stall_interval: float = 1.0,
    tracing: Tracing | None = None,
) -> AsyncGenerator[asyncio.Event]:
    """Runs a worker until the block ends or the yielded event is set."""
    options = WorkerOptions(
        url, "attendance", "", concurrency, stall_interval=stall_interval, drain_timeout=drain_timeout
    )
    stop = asyncio.Event()
    running = asyncio.create_task(ChunkWorker(options, processor.process, tracing).run(stop))
    try:
        yield stop
    finally:
        stop.set()
        await asyncio.wait_for(running, DEADLINE_S)


async def wait_until_empty(queue: QueueService) -> None:
    async def nothing_waits() -> bool:
        return await queue.depth() == 0

    await until(nothing_waits)


async def has_waiting_worker(redis: Any) -> bool:
    # Blocked, not only with BZPOPMIN as the last command, which also holds between two waits.
    return any("b" in client["flags"] for client in await redis.client_list())


async def scripts_called(redis: Any) -> int:
    return int((await redis.info("commandstats")).get("cmdstat_evalsha", {"calls": 0})["calls"])
