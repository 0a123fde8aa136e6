"""The moment at which each batch is completed: its completion marker is written, by all systems after their records."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from adsum.batches.queue.ledger import MARKER
from adsum.platform.cancellation import end
from adsum.platform.ids import Batch
from benchmarks.systems import DONE_S, Unfinished

CHANNEL = "__keyspace@0__:"


class Completions:
    """Notes when each marker is written. Valkey announces it, so that nobody has to ask."""

    def __init__(self) -> None:
        self._times: dict[str, float] = {}
        self._changed = asyncio.Event()

    async def listen(self, announcements: Any) -> None:
        async for message in announcements.listen():
            if message["type"] == "pmessage" and message["data"] == "set":
                self._times.setdefault(message["channel"].removeprefix(CHANNEL), time.perf_counter())
                self._changed.set()

    async def times_of(self, batches: Sequence[Batch]) -> list[float]:
        """Waits until all markers are written. Returns the time of each.

        Raises:
            Unfinished: a marker is missing.
        """
        markers = [f"{MARKER}{batch.id}" for batch in batches]
        deadline = time.monotonic() + DONE_S
        missing = set(markers)
        while missing := missing - self._times.keys():
            self._changed.clear()
            try:
                async with asyncio.timeout(deadline - time.monotonic()):
                    await self._changed.wait()
            except TimeoutError:
                raise Unfinished(f"{len(missing)} of {len(markers)} batches are not completed") from None
        return [self._times[marker] for marker in markers]


@asynccontextmanager
async def watched_completions(redis: Any) -> AsyncGenerator[Completions]:
    """Watches until the block ends."""
    await redis.config_set("notify-keyspace-events", "K$")
    completions = Completions()
    async with redis.pubsub() as announcements:
        await announcements.psubscribe(f"{CHANNEL}{MARKER}*")
        listening = asyncio.create_task(completions.listen(announcements))
        try:
            yield completions
        finally:
            await end([listening])
            await redis.config_set("notify-keyspace-events", "")
