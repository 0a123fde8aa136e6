"""Reads the facts about a Valkey or Redis server that decide whether it can carry a queue."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from redis.exceptions import NoPermissionError, ResponseError

from adsum.platform.redis.cluster import ClusterFacts, OwnerPool
from adsum.platform.redis.connection import translated
from adsum.platform.redis.sentinel import PrimaryPool, SentinelFacts
from adsum.platform.redis.shards import Shard

PROBE = "attendance-doctor"


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """The facts about one server.

    Attributes:
        name: Valkey or Redis.
        version: the version of the server.
        redis_version: the version of Redis whose commands it supports.
        clock: the time of the server.
        eviction: its `maxmemory-policy`.
        primary: `host:port` of its primary, if it is a replica.
        is_loading: it is loading its data from disk.
        is_durable: whether it writes to disk, by an append-only file or snapshots. None: unknown.
        failing_write: the file whose last write failed, or None.
        used, limit: bytes of memory; the limit is 0 if there is none.
    """

    name: str
    version: str
    redis_version: tuple[int, ...]
    clock: datetime
    eviction: str
    primary: str | None
    is_loading: bool
    is_durable: bool | None
    failing_write: str | None
    used: int
    limit: int


class RedisInspection:
    """Inspects one server. Every method raises QueueOutage if the server does not answer or refuses the command."""

    def __init__(self, shard: Shard) -> None:
        self._redis = shard.redis
        self._key_prefix = shard.key_prefix

    async def facts(self) -> RedisFacts:
        """The facts. A server that is loading its data answers, too."""
        with translated():
            info = await self._redis.info()  # pyright: ignore[reportUnknownMemberType]
            seconds, microseconds = await self._redis.time()  # pyright: ignore[reportUnknownMemberType]
            is_durable = bool(info.get("aof_enabled")) or await self._has_snapshots()
        is_valkey = info.get("server_name") == "valkey"
        return RedisFacts(
            name="Valkey" if is_valkey else "Redis",
            version=str(info["valkey_version"] if is_valkey else info["redis_version"]),
            redis_version=tuple(int(part) for part in str(info["redis_version"]).split(".") if part.isdecimal()),
            clock=datetime.fromtimestamp(seconds + microseconds / 1e6, UTC),
            eviction=str(info.get("maxmemory_policy", "unknown")),
            primary=f"{info['master_host']}:{info['master_port']}" if info.get("role") != "master" else None,
            is_loading=bool(info.get("loading")),
            is_durable=is_durable,
            failing_write=_failing_write(info),
            used=int(info.get("used_memory", 0)),
            limit=int(info.get("maxmemory", 0)),
        )

    @property
    def primary(self) -> tuple[str, int] | None:
        """Host and port of the primary that Sentinels or a cluster named last; None: the URL names the server."""
        pool = self._redis.connection_pool
        if isinstance(pool, OwnerPool):
            return pool.slot.owner
        return pool.address if isinstance(pool, PrimaryPool) else None

    async def sentinels(self) -> SentinelFacts | None:
        """The facts about the Sentinels; None: the URL names the server."""
        pool = self._redis.connection_pool
        if not isinstance(pool, PrimaryPool):
            return None
        with translated():
            return await pool.sentinel_facts()

    async def cluster(self) -> ClusterFacts | None:
        """The facts about the cluster; None: the URL names no cluster."""
        pool = self._redis.connection_pool
        if not isinstance(pool, OwnerPool):
            return None
        with translated():
            return await pool.slot.facts()

    async def write(self) -> None:
        """Writes a key that expires at once. Only a write reveals every reason to refuse writes."""
        with translated():
            await self._redis.set(f"{self._key_prefix}{PROBE}", "1", px=1)

    async def _has_snapshots(self) -> bool | None:
        try:
            found = await self._redis.config_get("save")  # pyright: ignore[reportUnknownMemberType]
        except (NoPermissionError, ResponseError):
            return None  # hosted servers often disable CONFIG
        return bool(cast("dict[str, str]", found).get("save"))


def _failing_write(info: dict[str, Any]) -> str | None:
    append_only = "the append-only file" if info.get("aof_enabled") else None
    last = {
        append_only: info.get("aof_last_write_status"),
        "the last snapshot": info.get("rdb_last_bgsave_status"),
    }
    return next((what for what, status in last.items() if what is not None and status not in {"ok", None}), None)
