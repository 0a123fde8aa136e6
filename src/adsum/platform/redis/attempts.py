"""Counts failed attempts in Redis for all processes, and during an outage of Redis in the memory of this process."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

from adsum.platform.redis.connection import QueueOutage, redis_deadline, translated
from adsum.platform.redis.shards import Shard
from adsum.platform.redis.windows import OUTAGE_PAUSE_S, shared_windows

# The prefix of the keys `…:account/…` and `…:address/…`.
FAILURES = "sign-in-failures"

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class AttemptLimit:
    """The number of attempts that `kind` allows in a period, which begins with the first one that is counted."""

    kind: str
    attempts: int
    seconds: int

    @property
    def item(self) -> RateLimitItem:
        return RateLimitItemPerSecond(self.attempts, self.seconds, namespace=self.kind)


class FailedAttempts:
    """Counts failures. During an outage of Redis it raises nothing and counts in the memory of this process."""

    def __init__(self, home: Shard) -> None:
        self._shared = shared_windows(home, FAILURES)
        self._own = FixedWindowRateLimiter(MemoryStorage())
        self._paused_until = 0.0

    async def seconds_to_wait(self, limit: AttemptLimit, subject: str) -> int:
        """The seconds until the next attempt is allowed; 0: it is allowed now."""
        stats = await self._call(lambda limiter: limiter.get_window_stats(limit.item, subject))
        return 0 if stats.remaining > 0 else max(1, math.ceil(stats.reset_time - time.time()))

    async def count(self, limit: AttemptLimit, subject: str) -> None:
        """Counts one failure."""
        await self._call(lambda limiter: limiter.hit(limit.item, subject))

    async def take(self, limit: AttemptLimit, subject: str) -> int:
        """Counts an attempt before it is made, so that many at once do not pass together.

        Returns:
            0 if it is allowed, else the seconds until the next one is.
        """
        if await self._call(lambda limiter: limiter.hit(limit.item, subject)):
            return 0
        return max(1, await self.seconds_to_wait(limit, subject))

    async def reset(self, limit: AttemptLimit, subject: str) -> None:
        """Resets the count to zero."""
        await self._call(lambda limiter: limiter.clear(limit.item, subject))

    async def _call(self, call: Callable[[FixedWindowRateLimiter], Awaitable[Answer]]) -> Answer:
        if time.monotonic() >= self._paused_until:
            try:
                async with redis_deadline():
                    with translated():
                        return await call(self._shared)
            except QueueOutage:
                self._paused_until = time.monotonic() + OUTAGE_PAUSE_S
        return await call(self._own)
