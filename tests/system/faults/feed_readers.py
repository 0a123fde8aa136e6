"""Readers of the feed, which store their cursor with each page and are restarted at random times."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NamedTuple

import httpx2

from tests.system.faults.receivers import digest_of

# A reader lives for a random time.
LIFE_S = (0.05, 2.0)
PAUSE_S = 0.1
LIMITS = (20, 200)


class SeenEvent(NamedTuple):
    """An event that a reader has stored. `run_id` None: it is not about a run; `students`: the digest of outcomes."""

    id: int
    type: str
    run_id: str | None
    digest: int
    students: int | None


@dataclass
class FeedReader:
    """Reads the feed over HTTP. A page and its cursor are stored together, so that a restart repeats nothing."""

    client: Callable[[], httpx2.AsyncClient]
    rng: random.Random
    types: tuple[str, ...] = ()
    cursor: int | None = None
    seen: list[SeenEvent] = field(default_factory=list[SeenEvent])
    restarts: int = 0

    async def run(self) -> None:
        """Reads until it is cancelled. Again and again the reader dies, at any point of a request, and starts again."""
        while True:
            reading = asyncio.create_task(self._read())
            try:
                await asyncio.wait({reading}, timeout=self.rng.uniform(*LIFE_S))
                if reading.done():
                    reading.result()  # raises
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
            self.restarts += 1

    async def _read(self) -> None:
        while True:
            if not await self._read_page():
                await asyncio.sleep(PAUSE_S)  # the pause of a client that has read everything, or got no answer

    async def _read_page(self) -> bool:
        """Reads and stores a page. Returns whether the next one may follow at once."""
        query: dict[str, Any] = {"limit": self.rng.choice(LIMITS)}
        query |= {"types": ",".join(self.types)} if self.types else {}
        query |= {} if self.cursor is None else {"after": self.cursor}
        try:
            response = await self.client().get("/events", params=query)
        except httpx2.TransportError:
            return False
        if response.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            return False
        assert response.status_code == HTTPStatus.OK, response.text
        page = response.json()
        self.seen += [_seen(item) for item in page["items"]]
        self.cursor = int(page["nextCursor"])
        return page["hasMore"]


def digest_of_outcomes(outcomes: Iterable[tuple[int, str, str | None]]) -> int:
    """A digest of students, their outcomes and their recorded statuses."""
    return hash(frozenset(outcomes))


def _seen(item: dict[str, Any]) -> SeenEvent:
    students = item["data"].get("students")
    outcomes = (
        None
        if students is None
        else digest_of_outcomes((each["studentId"], each["outcome"], each["status"]) for each in students)
    )
    return SeenEvent(item["id"], item["type"], item["data"].get("runId"), digest_of(item), outcomes)
