"""Connections to Valkey or Redis, and what counts as an outage of it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from adsum.errors import ConfigurationError, Unavailable

CONNECT_TIMEOUT_S = 2.0

RedisClient = Redis
"""An open connection, as who opens it hands it to what works on it."""


class QueueOutage(Unavailable):
    """Redis did not do it: unreachable, slow, or refusing (READONLY, OOM, MISCONF, LOADING, BUSY)."""

    code = "queue_unavailable"


def open_redis(url: str, *, connections: int, socket_timeout: float, kind: type[Redis] = Redis) -> Redis:
    """A client of its own pool, for strings.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        connections: at most so many; more callers wait for one.
        socket_timeout: seconds until a command that gets no reply fails. Not None: after a network cut a reader
            without one is deaf for ever.
        kind: of client.

    Raises:
        ConfigurationError: the URL cannot be read.
    """
    try:
        # One more try, at once: a pooled connection may be to a server that has restarted since. Whatever Adsum sends
        # may be done twice. Further tries are left to whoever calls, who knows how long they may take.
        pool = BlockingConnectionPool.from_url(  # pyright: ignore[reportUnknownMemberType] - its **kwargs have no types
            url,
            max_connections=connections,
            timeout=socket_timeout,
            decode_responses=True,
            socket_timeout=socket_timeout,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            health_check_interval=30,
            retry=Retry(NoBackoff(), 1),
            retry_on_error=[],
        )
    except ValueError as error:
        raise ConfigurationError(f"ADSUM_REDIS_URL: {error}") from None
    return kind.from_pool(pool)


@contextmanager
def translated() -> Generator[None]:
    """Every failure of Redis becomes a `QueueOutage`: what it says is never about a student."""
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise QueueOutage("Valkey or Redis does not answer") from error
