"""A load of classes marked continuously. Requests without an answer are sent again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2

from adsum.platform.ids import Batch
from tests.system.faults.classes import Platform
from tests.system.faults.oracle import Promise

# Pause between two attempts of a request; a real client waits longer.
RETRY_PAUSE_S = 0.2
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
        """Sends one request until it is answered with 202, or with 200 because an earlier request was accepted."""
        while batch not in self.accepted:
            try:
                response = await self.platform.mark(batch)
            except httpx2.TransportError:
                self.losses += 1  # the API was killed, or the connection was cut
            else:
                self._record(batch, response)
            if batch not in self.accepted:
                await asyncio.sleep(RETRY_PAUSE_S)  # the client's pause before it retries

    def _record(self, batch: Batch, response: httpx2.Response) -> None:
        match response.status_code:
            case 202:
                self.promises.append(self.platform.promise(response))
                self.accepted.add(batch)
            case 200:  # an earlier attempt was accepted
                self.accepted.add(batch)
            case 503:
                assert response.headers["Retry-After"]
                self.refusals += 1
            case other:
                raise AssertionError(f"{other}: {response.text}")


@asynccontextmanager
async def constant_load(load: Load, *, at_once: int = 2, pause: float = 0.02) -> AsyncGenerator[None]:
    """Marks one class after another until the block ends, then waits until each started request is answered."""
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
