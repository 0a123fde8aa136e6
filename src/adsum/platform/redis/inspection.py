"""What the Valkey or Redis server says about itself: is it fit to carry a queue?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import NoPermissionError, ResponseError

from adsum.platform.redis.connection import translated

PROBE = "attendance-doctor"


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """One server.

    Attributes:
        name: Valkey or Redis.
        version: its own.
        speaks: the version of Redis whose commands it has; of Redis itself, the same.
        clock: its time.
        eviction: its `maxmemory-policy`.
        primary: `host:port` of the server that it replicates, if it is a replica.
        is_loading: it still reads its data from disk.
        keeps: whether it writes to disk at all, append-only or by snapshots. None: it does not say.
        failing_write: what it could not write to disk last time, or None.
        used, limit: bytes of memory; without a limit 0.
    """

    name: str
    version: str
    speaks: tuple[int, ...]
    clock: datetime
    eviction: str
    primary: str | None
    is_loading: bool
    keeps: bool | None
    failing_write: str | None
    used: int
    limit: int


class RedisInspection:
    """Every method raises `QueueOutage` where the server does not answer or refuses."""

    def __init__(self, redis: Redis, key_prefix: str) -> None:
        self._redis = redis
        self._key_prefix = key_prefix

    async def facts(self) -> RedisFacts:
        """Asks also a server that still loads its data, which answers nothing else."""
        with translated():
            info = await self._redis.info()  # pyright: ignore[reportUnknownMemberType]
            seconds, microseconds = await self._redis.time()  # pyright: ignore[reportUnknownMemberType]
            keeps = bool(info.get("aof_enabled")) or await self._has_snapshots()
        is_valkey = info.get("server_name") == "valkey"
        return RedisFacts(
            name="Valkey" if is_valkey else "Redis",
            version=str(info["valkey_version"] if is_valkey else info["redis_version"]),
            speaks=tuple(int(part) for part in str(info["redis_version"]).split(".") if part.isdecimal()),
            clock=datetime.fromtimestamp(seconds + microseconds / 1e6, UTC),
            eviction=str(info.get("maxmemory_policy", "unknown")),
            primary=f"{info['master_host']}:{info['master_port']}" if info.get("role") != "master" else None,
            is_loading=bool(info.get("loading")),
            keeps=keeps,
            failing_write=_failing_write(info),
            used=int(info.get("used_memory", 0)),
            limit=int(info.get("maxmemory", 0)),
        )

    async def write(self) -> None:
        """Writes a key that is gone a moment later: the only way to learn of every reason to refuse."""
        with translated():
            await self._redis.set(f"{self._key_prefix}{PROBE}", "1", px=1)

    async def _has_snapshots(self) -> bool | None:
        try:
            found = await self._redis.config_get("save")  # pyright: ignore[reportUnknownMemberType]
        except (NoPermissionError, ResponseError):
            return None  # providers keep CONFIG for themselves
        return bool(cast("dict[str, str]", found).get("save"))


def _failing_write(info: dict[str, Any]) -> str | None:
    append_only = "the append-only file" if info.get("aof_enabled") else None
    last = {
        append_only: info.get("aof_last_write_status"),
        "the last snapshot": info.get("rdb_last_bgsave_status"),
    }
    return next((what for what, status in last.items() if what is not None and status not in {"ok", None}), None)
