"""Fixed windows in Redis, in which all processes count."""

from __future__ import annotations

from typing import Any, cast

from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter
from redis.asyncio import Redis

# The time without calls to Redis after an outage, so that not every call waits for the timeout.
OUTAGE_PAUSE_S = 5.0


def shared_windows(redis: Redis, key_prefix: str) -> FixedWindowRateLimiter:
    """Counters of the library `limits`, on the connections of this client."""
    # With a pool, the URL is ignored.
    pool = cast("Any", redis.connection_pool)
    return FixedWindowRateLimiter(
        RedisStorage("redis://", implementation="redispy", key_prefix=key_prefix, connection_pool=pool)
    )
