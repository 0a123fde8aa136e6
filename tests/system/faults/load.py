"""Classes that are marked all the time, by a platform that sends again what was not answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2

from adsum.platform.ids import Batch
from tests.system.faults.classes import Platform
from tests.system.faults.oracle import Promise

# Between two tries of one request; a platform would wait longer.
AGAIN_S = 0.2
LAST_ANSWER_S = 60


@dataclass
class Load:
    """Requests that were sent, and promises that were made."""

    platform: Platform
    batches: Iterator[Batch]
    promises: list[Promise] = field(default_factory=list[Promise])
    accepted: set[Batch] = field(default_factory=set[Batch])
    refusals: int = 0
    losses: int = 0

    async def mark(self, batch: Batch) -> None:
        """Sends one request until it is answered: promised, or already there."""
        while batch not in self.accepted:
            try:
                answer = await self.platform.mark(batch)
            except httpx2.TransportError:
                self.losses += 1  # the API died, or was cut off
            else:
                self._take(batch, answer)
            if batch not in self.accepted:
                await asyncio.sleep(AGAIN_S)  # the platform's own pause before it sends again

    def _take(self, batch: Batch, answer: httpx2.Response) -> None:
        match answer.status_code:
            case 202:
                self.promises.append(self.platform.promise(answer))
                self.accepted.add(batch)
            case 200:  # an earlier try was accepted after all
                self.accepted.add(batch)
            case 503:
                assert answer.headers["Retry-After"]
                self.refusals += 1
            case other:
                raise AssertionError(f"{other}: {answer.text}")


@asynccontextmanager
async def steady(load: Load, *, at_once: int = 2, pause: float = 0.02) -> AsyncGenerator[None]:
    """Marks one class after the other until the block ends; then every request that was begun is brought to its end."""
    stop = asyncio.Event()
    senders = [asyncio.create_task(_send(load, stop, pause)) for _ in range(at_once)]
    try:
        yield
        stop.set()
        await asyncio.wait_for(asyncio.gather(*senders), LAST_ANSWER_S)
    finally:
        for sender in senders:
            sender.cancel()
        await asyncio.gather(*senders, return_exceptions=True)


async def _send(load: Load, stop: asyncio.Event, pause: float) -> None:
    while not stop.is_set():
        await load.mark(next(load.batches))
        await asyncio.sleep(pause)  # a rate, not a wait for something
