"""Remembers in Redis until when a user or an API key has seen the primary, for all processes.

What they have written or seen there is not missing from a list that they open next.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable

from redis.asyncio import Redis

from adsum.platform.redis.connection import QueueOutage, redis_deadline, translated

# The prefix of the keys `…:user-7` and `…:key-3`.
SEEN = "seen-primary"
_SUBJECT = re.compile(r"[a-z]+-\d+")


class LastWrites:
    """The last moments at which actors have seen the primary.

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
        self._unknown_until = -math.inf

    async def note(self, actor: str) -> None:
        """The actor has seen the primary as of now. An API key that acts for a person is noted as itself."""
        moment = self._now()
        try:
            async with redis_deadline():
                with translated():
                    for subject in _SUBJECT.findall(actor):
                        await self._redis.set(self._prefix + subject, moment, px=math.ceil(self._seconds * 1000))
        except QueueOutage:
            self._unknown_until = moment + self._seconds

    async def seen_at(self, actor: str) -> float:
        """The moment; now, if Redis is away or was, and nobody knows it."""
        if self._now() < self._unknown_until:
            return self._now()
        names = [self._prefix + subject for subject in _SUBJECT.findall(actor)]
        try:
            async with redis_deadline():
                with translated():
                    found = await self._redis.mget(names)
        except QueueOutage:
            return self._now()
        return max((float(each) for each in found if each is not None), default=-math.inf)
