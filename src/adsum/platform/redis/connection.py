"""Connections to Valkey or Redis, and the translation of their errors into outages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, BusyLoadingError, MovedError, RedisError, ResponseError

from adsum.platform.addresses import names_cluster
from adsum.platform.cancellation import closing
from adsum.platform.errors import ConfigurationError, Unavailable
from adsum.platform.redis.cluster import ClusterView, OwnerPool, Slot, parse_cluster_url
from adsum.platform.redis.packing import packing
from adsum.platform.redis.sentinel import PrimaryPool, names_sentinels, parse_sentinel_url
from adsum.platform.redis.slots import slot_of
from adsum.platform.redis.tls_mismatch import find_mismatch, may_be_mismatch

SCHEMES = (
    *("redis://", "rediss://", "unix://", "redis+sentinel://", "rediss+sentinel://"),
    *("redis+cluster://", "rediss+cluster://"),
)
CONNECT_TIMEOUT_S = 2.0
# The time that one request may spend on Redis. A run that is not queued by then is durable in the database.
REQUEST_DEADLINE_S = 0.25
UNUSABLE = "ADSUM_REDIS_URL: Valkey or Redis cannot be used"
OF_CLUSTER = "the server is one of a cluster, whose URL is redis+cluster://HOST:6379,HOST:6379,HOST:6379"

RedisClient = Redis
"""An open client."""


class QueueOutage(Unavailable):
    """Redis is unreachable, too slow, or refuses commands (READONLY, OOM, MISCONF, LOADING, BUSY)."""

    code = "queue_unavailable"


def open_redis(
    url: str, *, connections: int, socket_timeout: float, kind: type[Redis] = Redis, key_prefix: str = ""
) -> Redis:
    """A client with its own pool, which decodes replies as strings.

    Args:
        url: `redis://`, `rediss://` or `unix://`; `redis+sentinel://` or `rediss+sentinel://` follow the primary;
            `redis+cluster://` or `rediss+cluster://` follow the owner of the slot of `key_prefix`.
        connections: the size of the pool; further callers wait for a connection.
        socket_timeout: seconds until a command without a reply fails. Never None: after a network cut, a reader without
            a timeout waits forever.
        kind: the class of the client.
        key_prefix: of all keys; in a cluster, with the hash tag.

    Raises:
        ConfigurationError: the URL is invalid.
    """
    # One immediate retry: a pooled connection may belong to a server that has restarted. All commands of Adsum may run
    # twice. The caller decides about further retries, because it has the remaining time.
    options: dict[str, Any] = {
        "max_connections": connections,
        "timeout": socket_timeout,
        "decode_responses": True,
        "socket_timeout": socket_timeout,
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "health_check_interval": 30,
        "retry": Retry(NoBackoff(), 1),
        "retry_on_error": [],
    }
    try:
        if names_sentinels(url):
            pool = PrimaryPool(parse_sentinel_url(url), **options)
        elif names_cluster(url):
            pool = OwnerPool(parse_cluster_url(url), slot_of(key_prefix), **options)
        else:
            pool = BlockingConnectionPool.from_url(url, **options)  # pyright: ignore[reportUnknownMemberType] - no types
    except ValueError as error:
        raise ConfigurationError(f"ADSUM_REDIS_URL: {_reason(url, error)}") from None
    pool.connection_class = packing(pool.connection_class)
    return kind.from_pool(pool)


def _reason(url: str, error: ValueError) -> str:
    """The reason why a URL is refused. An error of `urllib` quotes a part of it, which may be of the password."""
    if not url.startswith(SCHEMES):
        return f"it does not begin with {', '.join(SCHEMES[:-1])} or {SCHEMES[-1]}"
    if "," in url and not (names_sentinels(url) or names_cluster(url)):
        return "several hosts are those of Sentinels or of a cluster, after redis+sentinel:// or redis+cluster://"
    if "cast to integer" in str(error):
        return "its port is no number; a password has /, ?, #, @ and : as %2F, %3F, %23, %40 and %3A"
    return str(error)


async def require_redis(url: str, key_prefix: str = "") -> None:
    """Connects once.

    Raises:
        ConfigurationError: the URL is invalid, the server does not answer or refuses it, or it is one of a cluster: it
            has a part of the keys, unless `key_prefix` has a hash tag.
    """
    try:
        async with closing(open_redis(url, connections=1, socket_timeout=CONNECT_TIMEOUT_S)) as redis:
            await redis.ping()  # pyright: ignore[reportUnknownMemberType]
            await _refuse_part_of_cluster(redis, url, key_prefix)
    except BusyLoadingError:
        pass  # it answers soon
    except (RedisError, OSError, TimeoutError) as error:
        await _refuse_mismatch(url, error)
        raise ConfigurationError(f"{UNUSABLE}: {_refusal(error)}") from None


async def refuse_wrong_server(url: str, key_prefix: str) -> None:
    """Checks as `require_redis` does, for a process that also starts while Redis is away.

    Raises:
        ConfigurationError: the server answers, and is one of a cluster; or it uses TLS and the URL does not, or the
            other way round.
    """
    try:
        async with closing(open_redis(url, connections=1, socket_timeout=CONNECT_TIMEOUT_S)) as redis:
            if _permits_cluster(url, key_prefix):
                await redis.ping()  # pyright: ignore[reportUnknownMemberType] - the other check asks nothing
            await _refuse_part_of_cluster(redis, url, key_prefix)
    except (RedisError, OSError, TimeoutError) as error:
        await _refuse_mismatch(url, error)


@asynccontextmanager
async def naming_mismatch(url: str) -> AsyncGenerator[None]:
    """Names the reason of an outage that ends the block, if it is a mismatch between the URL and its servers.

    Raises:
        ConfigurationError: one uses TLS, the other does not.
    """
    try:
        yield
    except QueueOutage as outage:
        await _refuse_mismatch(url, outage.__cause__)
        raise


async def _refuse_mismatch(url: str, failure: BaseException | None) -> None:
    if may_be_mismatch(failure) and (mismatch := await find_mismatch(url)) is not None:
        raise ConfigurationError(f"{UNUSABLE}: {mismatch.problem}: {mismatch.remedy}") from None


async def _refuse_part_of_cluster(redis: Redis, url: str, key_prefix: str) -> None:
    if not _permits_cluster(url, key_prefix) and await _is_of_cluster(redis):
        raise ConfigurationError(f"ADSUM_REDIS_URL: {OF_CLUSTER}")


def _permits_cluster(url: str, key_prefix: str) -> bool:
    return names_cluster(url) or "{" in key_prefix


async def _is_of_cluster(redis: Redis) -> bool:
    try:
        info = await redis.info("cluster")  # pyright: ignore[reportUnknownMemberType]
    except ResponseError:
        return False  # a user of the server may lack the right to ask
    return bool(info.get("cluster_enabled"))


async def count_primaries(url: str) -> int:
    """The number of primaries of a cluster that own slots. Raises QueueOutage: no server answers."""
    views = (await Slot(parse_cluster_url(url), 0).views()).values()
    known = [view for view in views if isinstance(view, ClusterView) and view.primaries]
    if not known:
        failures = [view for view in views if isinstance(view, BaseException)]
        raise QueueOutage("no server of the cluster answers") from next(iter(failures), None)
    return max(known, key=lambda view: view.epoch).primaries


def _refusal(error: Exception) -> str:
    text = " ".join(str(error).split()).rstrip(".")
    if isinstance(error, AuthenticationError) and text.startswith("HELLO"):  # the driver's first command
        return "it needs a password, and the URL has none"
    return text or type(error).__name__


@asynccontextmanager
async def redis_deadline() -> AsyncGenerator[None]:
    """Limits all Redis calls in the block to `REQUEST_DEADLINE_S`. Raises QueueOutage after that."""
    try:
        async with asyncio.timeout(REQUEST_DEADLINE_S):
            yield
    except TimeoutError as error:
        raise QueueOutage("Valkey or Redis is too slow") from error


@contextmanager
def translated() -> Generator[None]:
    """Raises QueueOutage for every error of Redis, because no such error concerns a single student."""
    try:
        yield
    except MovedError:  # its text is a slot and an address; connections to a cluster never raise it
        raise QueueOutage("Valkey or Redis does not answer") from RedisError(OF_CLUSTER)
    except (RedisError, OSError, TimeoutError) as error:
        raise QueueOutage("Valkey or Redis does not answer") from error
