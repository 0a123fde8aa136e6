"""How often something failed lately: counted in Redis for all processes, and while it is away in this one's memory."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from redis.asyncio import Redis

from adsum.platform.redis.connection import QueueOutage, redis_deadline, translated

# After an outage Redis is left alone for so long: nobody who signs in has to wait for it each time.
LEFT_ALONE_S = 5.0
# Before `:account/…` or `:address/…`.
FAILURES = "sign-in-failures"

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Allowance:
    """So many failures in so many seconds, counted from the first one on, of each whom `kind` is about."""

    kind: str
    failures: int
    seconds: int

    @property
    def item(self) -> RateLimitItem:
        return RateLimitItemPerSecond(self.failures, self.seconds, namespace=self.kind)


class FailedAttempts:
    """Counts failures. No outage is raised: what is in Redis is then not known, and this process counts by itself."""

    def __init__(self, redis: Redis, *, key_prefix: str) -> None:
        # The pool that is open already; the address is not looked at.
        pool = cast("Any", redis.connection_pool)
        key_prefix = f"{key_prefix}{FAILURES}"
        storage = RedisStorage("redis://", implementation="redispy", key_prefix=key_prefix, connection_pool=pool)
        self._shared = FixedWindowRateLimiter(storage)
        self._own = FixedWindowRateLimiter(MemoryStorage())
        self._left_alone_until = 0.0

    async def seconds_to_wait(self, allowance: Allowance, whom: str) -> int:
        """Seconds until another attempt is allowed, at least 1 where there are any; 0: it is allowed now."""
        stats = await self._ask(lambda limiter: limiter.get_window_stats(allowance.item, whom))
        return 0 if stats.remaining > 0 else max(1, math.ceil(stats.reset_time - time.time()))

    async def count(self, allowance: Allowance, whom: str) -> None:
        """Counts one failure."""
        await self._ask(lambda limiter: limiter.hit(allowance.item, whom))

    async def forget(self, allowance: Allowance, whom: str) -> None:
        """Begins to count anew."""
        await self._ask(lambda limiter: limiter.clear(allowance.item, whom))

    async def _ask(self, ask: Callable[[FixedWindowRateLimiter], Awaitable[Answer]]) -> Answer:
        if time.monotonic() >= self._left_alone_until:
            try:
                async with redis_deadline():
                    with translated():
                        return await ask(self._shared)
            except QueueOutage:
                self._left_alone_until = time.monotonic() + LEFT_ALONE_S
        return await ask(self._own)
