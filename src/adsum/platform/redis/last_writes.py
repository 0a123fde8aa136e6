"""Stores in Redis, for all processes, when a user or an API key last read from or wrote to the primary.

A list that they open afterwards contains everything that they wrote or read there.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Callable

from redis.asyncio import Redis

from adsum.platform.cancellation import end
from adsum.platform.redis.connection import QueueOutage, redis_deadline, translated

# The prefix of the keys `…:user-7`, `…:key-3` and `…:everybody`.
SEEN = "seen-primary"
EVERYBODY = "everybody"
# After this time everybody counts as having seen the primary once more: no key lasts for ever.
EVERYBODY_MS = 24 * 60 * 60 * 1000
# Seconds between two attempts to tell all processes that a moment could not be noted.
TELL_EVERY_S = 0.25
# A moment is noted that many seconds ahead, so that an actor costs one command in this time and not one per request.
AHEAD_S = 1.0
_REMEMBERED = 10_000
_SUBJECT = re.compile(r"[a-z]+-\d+")


class LastWrites:
    """The last moments at which actors have seen the primary.

    If a moment cannot be stored, no process knows it. As soon as Redis answers again, one moment is stored for all
    actors, so that all of them count as having seen the primary. The same happens after Redis has lost its data.

    Args:
        redis: shared by all processes.
        key_prefix: of the installation.
        seconds: for which a moment is kept. A standby that is read is never further behind.
        now: seconds since 1970.
    """

    def __init__(self, redis: Redis, *, key_prefix: str, seconds: float, now: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._prefix = f"{key_prefix}{SEEN}:"
        self._seconds = seconds
        self._now = now
        self._noted: dict[str, float] = {}
        self._noting: dict[str, asyncio.Task[None]] = {}
        self._failed_at = -math.inf
        self._telling: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Cancels the tasks in the background."""
        await end([*self._noting.values(), *([self._telling] if self._telling is not None else [])])

    def note_soon(self, actor: str) -> None:
        """As `note`, in the background: a message of a stream does not wait for Redis."""
        if actor not in self._noting and self._due(actor):
            self._noting[actor] = task = asyncio.create_task(self.note(actor))
            task.add_done_callback(lambda _: self._noting.pop(actor))

    async def note(self, actor: str) -> None:
        """Stores that an actor has seen the primary as of now; of an API key that acts for a person, both."""
        if self._telling is not None:
            self._failed_at = self._now()
            return
        subjects, moment = self._due(actor), self._now() + AHEAD_S
        try:
            async with redis_deadline():
                with translated():
                    for subject in subjects:
                        lifetime = math.ceil((self._seconds + AHEAD_S) * 1000)
                        await self._redis.set(self._prefix + subject, moment, px=lifetime)
                        self._noted[subject] = moment
        except QueueOutage:
            self._failed_at = self._now()
            self._telling = self._telling or asyncio.create_task(self._tell_everybody())

    def _due(self, actor: str) -> list[str]:
        """The subjects of an actor whose moment has to be stored."""
        now = self._now()
        if len(self._noted) > _REMEMBERED:
            self._noted = {subject: moment for subject, moment in self._noted.items() if moment >= now}
        return [each for each in _SUBJECT.findall(actor) if self._noted.get(each, -math.inf) < now]

    async def seen_at(self, actor: str) -> float:
        """When an actor last saw the primary; now, if that is unknown because Redis is or was away."""
        if self._telling is not None:
            return self._now()
        names = [self._prefix + subject for subject in (EVERYBODY, *_SUBJECT.findall(actor))]
        try:
            async with redis_deadline():
                with translated():
                    of_everybody, *found = await self._redis.mget(names)
                    if of_everybody is None:
                        of_everybody = await self._note_everybody()
        except QueueOutage:
            return self._now()
        return max(float(each) for each in (of_everybody, *found) if each is not None)

    async def _note_everybody(self) -> float:
        moment = self._now()
        await self._redis.set(self._prefix + EVERYBODY, moment, px=EVERYBODY_MS)
        return moment

    async def _tell_everybody(self) -> None:
        told = -math.inf
        while told < self._failed_at:  # it may fail again meanwhile
            try:
                async with redis_deadline():
                    with translated():
                        told = await self._note_everybody()
            except QueueOutage:
                await asyncio.sleep(TELL_EVERY_S)
        self._telling = None
