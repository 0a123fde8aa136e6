"""A load of classes marked continuously. Requests without an answer are sent again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
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
    corrections: int = 0
    refusals: int = 0
    losses: int = 0

    async def mark(self, batch: Batch) -> None:
        """Sends one request until it is answered with 202, or with 200 because an earlier request was accepted."""
        if batch in self.accepted:
            return
        response = await self._answer(lambda: self.platform.mark(batch))
        self.accepted.add(batch)
        if response.status_code == 202:
            self.promises.append(self.platform.promise(response))

    async def correct(self, batch: Batch) -> None:
        """Corrects a batch, unless it is still processed or was corrected by an earlier request: both answer 200."""
        response = await self._answer(lambda: self.platform.correct(batch))
        if response.status_code == 202:
            self.corrections += 1
            self.promises.append(self.platform.promise_of_correction(response))

    async def _answer(self, send: Callable[[], Awaitable[httpx2.Response]]) -> httpx2.Response:
        """Sends a request until it is answered with 200 or 202."""
        while True:
            try:
                response = await send()
            except httpx2.TransportError:
                self.losses += 1  # the API was killed, or the connection was cut
            else:
                if response.status_code in {200, 202}:
                    return response
                assert response.status_code == 503, f"{response.status_code}: {response.text}"
                assert response.headers["Retry-After"]
                self.refusals += 1
            await asyncio.sleep(RETRY_PAUSE_S)  # the client's pause before it retries


@asynccontextmanager
async def constant_load(
    load: Load, *, at_once: int = 2, pause: float = 0.02, corrects: bool = False
) -> AsyncGenerator[None]:
    """Marks one class after another until the block ends, then waits until each started request is answered.

    With `corrects`, each class is corrected after the next one is marked: its run updates records, so it is settled and
    closed by steps of their own.
    """
    stop = asyncio.Event()
    senders = [asyncio.create_task(_send(load, stop, pause, corrects=corrects)) for _ in range(at_once)]
    try:
        yield
        stop.set()
        await asyncio.wait_for(asyncio.gather(*senders), LAST_ANSWER_S)
    finally:
        for sender in senders:
            sender.cancel()
        await asyncio.gather(*senders, return_exceptions=True)


async def _send(load: Load, stop: asyncio.Event, pause: float, *, corrects: bool) -> None:
    previous: Batch | None = None
    while not stop.is_set():
        batch = next(load.batches)
        await load.mark(batch)
        if corrects and previous is not None:
            await load.correct(previous)
        previous = batch
        await asyncio.sleep(pause)  # a rate, not a wait for something
