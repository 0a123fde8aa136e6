"""Remembers in Redis until when a user or an API key has seen the primary, for all processes.

What they have written or seen there is not missing from a list that they open next.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Callable
from contextlib import suppress

from redis.asyncio import Redis

from adsum.platform.redis.connection import QueueOutage, redis_deadline, translated

# The prefix of the keys `…:user-7`, `…:key-3` and `…:everybody`.
SEEN = "seen-primary"
EVERYBODY = "everybody"
# After this time everybody counts as having seen the primary once more: no key lasts for ever.
EVERYBODY_MS = 24 * 60 * 60 * 1000
# Seconds between two attempts to tell all processes that a moment could not be noted.
TELL_EVERY_S = 0.25
_SUBJECT = re.compile(r"[a-z]+-\d+")


class LastWrites:
    """The last moments at which actors have seen the primary.

    A moment that could not be noted is unknown to all processes. As soon as Redis answers again, everybody counts as
    having seen the primary: a moment for all is noted. It is also missing if Redis has lost its data.

    Args:
        redis: shared by all processes.
        key_prefix: of the installation.
        seconds: after which nobody asks for a moment.
        now: seconds since 1970.
    """

    def __init__(self, redis: Redis, *, key_prefix: str, seconds: float, now: Callable[[], float] = time.time) -> None:
        self._redis = redis
        self._prefix = f"{key_prefix}{SEEN}:"
        self._seconds = seconds
        self._now = now
        self._telling: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Ends what tells other processes."""
        if self._telling is not None:
            self._telling.cancel()
            with suppress(asyncio.CancelledError):
                await self._telling

    async def note(self, actor: str) -> None:
        """The actor has seen the primary as of now. An API key that acts for a person is noted as itself."""
        moment = self._now()
        try:
            async with redis_deadline():
                with translated():
                    for subject in _SUBJECT.findall(actor):
                        await self._redis.set(self._prefix + subject, moment, px=math.ceil(self._seconds * 1000))
        except QueueOutage:
            if self._telling is None:
                self._telling = asyncio.create_task(self._tell_everybody())

    async def seen_at(self, actor: str) -> float:
        """The moment; now, if Redis is away or was, and nobody knows it."""
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
        while True:
            with suppress(QueueOutage):
                async with redis_deadline():
                    with translated():
                        await self._note_everybody()
                self._telling = None
                return
            await asyncio.sleep(TELL_EVERY_S)
