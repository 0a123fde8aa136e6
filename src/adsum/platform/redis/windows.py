"""Fixed windows in Redis, in which all processes count."""

from __future__ import annotations

from typing import Any, cast

from limits.aio.storage import RedisStorage
from limits.aio.strategies import FixedWindowRateLimiter

from adsum.platform.redis.shards import Shard

# The time without calls to Redis after an outage, so that not every call waits for the timeout.
OUTAGE_PAUSE_S = 5.0


def shared_windows(home: Shard, name: str) -> FixedWindowRateLimiter:
    """Counters of the library `limits`, on the connections of this shard. `name` is the beginning of their keys."""
    # With a pool, the URL is ignored.
    pool = cast("Any", home.redis.connection_pool)
    key_prefix = f"{home.key_prefix}{name}"
    return FixedWindowRateLimiter(
        RedisStorage("redis://", implementation="redispy", key_prefix=key_prefix, connection_pool=pool)
    )
