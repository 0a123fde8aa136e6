"""Connections to Valkey or Redis, and what counts as an outage of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from adsum.platform.errors import ConfigurationError, Unavailable

CONNECT_TIMEOUT_S = 2.0
# How long a request waits for Redis, in all. A run that is not queued by then is durable all the same.
REQUEST_DEADLINE_S = 0.25

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


@asynccontextmanager
async def redis_deadline() -> AsyncGenerator[None]:
    """Limits all Redis calls of a request in this block to `REQUEST_DEADLINE_S`. Raises QueueOutage after that."""
    try:
        async with asyncio.timeout(REQUEST_DEADLINE_S):
            yield
    except TimeoutError as error:
        raise QueueOutage("Valkey or Redis is too slow") from error


@contextmanager
def translated() -> Generator[None]:
    """Every failure of Redis becomes a `QueueOutage`: what it says is never about a student."""
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise QueueOutage("Valkey or Redis does not answer") from error
