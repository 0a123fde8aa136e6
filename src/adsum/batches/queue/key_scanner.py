"""Scans the keys of Adsum in Redis with their kinds, values and times to live, and removes some of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from redis.asyncio import Redis

from adsum.batches.queue.ledger import COUNTER, LEADER, MARKER, load_script
from adsum.batches.rules import LOCK
from adsum.platform.ids import Batch, parse_batch_id
from adsum.platform.redis.connection import translated

# Keys per step of a scan, and per pipeline.
STEP = 1000
_SPECIAL = re.compile(r"[*?\[\]\\]")
_TICKET = re.compile(r"student-\d+-session-\d+-date-\d{8}")


class KeyKind(StrEnum):
    """The kind of a key."""

    LOCK = "lock"
    COUNTER = "counter"
    MARKER = "completion marker"
    TICKET = "ticket"
    LEADER = "sweeper's lock"


@dataclass(frozen=True, slots=True)
class ScannedKey:
    """One key. `batch` None: a ticket or the sweeper's lock; `lifetime` in seconds, None: it does not expire."""

    name: str
    kind: KeyKind
    value: str
    lifetime: int | None
    batch: Batch | None = None


@dataclass(frozen=True, slots=True)
class ScannedKeys:
    """The keys of Adsum; if `is_cut_off`, those among the first `limit` keys of a server that has more."""

    keys: Sequence[ScannedKey]
    is_cut_off: bool

    def of(self, kind: KeyKind) -> list[ScannedKey]:
        return [key for key in self.keys if key.kind is kind]


class KeyScanner:
    """Scans and removes Adsum's keys. Every method raises `QueueOutage` if Redis does not answer."""

    def __init__(self, redis: Redis, key_prefix: str) -> None:
        self._redis = redis
        self._prefix = key_prefix
        self._drop = load_script(redis, "drop")

    async def scan(self, limit: int) -> ScannedKeys:
        """Scans at most `limit` keys of the server, including those of other programs."""
        pattern = _SPECIAL.sub(r"\\\g<0>", self._prefix) + "*"
        keys: list[ScannedKey] = []
        cursor, scanned = 0, 0
        with translated():
            while True:
                cursor, names = cast("tuple[int, list[str]]", await self._scan(cursor, pattern))
                keys += await self._read(names)
                scanned += STEP
                if cursor == 0 or scanned >= limit:
                    unique = {key.name: key for key in keys}  # a scan may name a key twice
                    return ScannedKeys(list(unique.values()), is_cut_off=cursor != 0)

    async def _scan(self, cursor: int, pattern: str) -> Any:
        return await self._redis.scan(cursor, match=pattern, count=STEP, _type="STRING")  # pyright: ignore[reportUnknownMemberType]

    async def _read(self, names: Sequence[str]) -> list[ScannedKey]:
        families = {name: family for name in names if (family := self._family(name)) is not None}
        async with self._redis.pipeline(transaction=False) as pipe:
            for name in families:
                pipe.get(name)
                pipe.ttl(name)
            answers = iter(await pipe.execute())
        # A key that was removed meanwhile has no value.
        return [
            ScannedKey(name, kind, str(value), None if seconds == -1 else seconds, batch)
            for (name, (kind, batch)), value, seconds in zip(families.items(), answers, answers, strict=True)
            if value is not None
        ]

    def _family(self, full_name: str) -> tuple[KeyKind, Batch | None] | None:
        name = full_name.removeprefix(self._prefix)
        for beginning, kind in ((LOCK, KeyKind.LOCK), (COUNTER, KeyKind.COUNTER), (MARKER, KeyKind.MARKER)):
            if name.startswith(beginning) and (batch := parse_batch_id(name.removeprefix(beginning))) is not None:
                return kind, batch
        if _TICKET.fullmatch(name):
            return KeyKind.TICKET, None
        return (KeyKind.LEADER, None) if name == LEADER else None

    async def drop(self, values: Mapping[str, str]) -> int:
        """Removes the keys that still have these values. Returns their number."""
        items, dropped = list(values.items()), 0
        for start in range(0, len(items), STEP):
            part = dict(items[start : start + STEP])
            with translated():
                dropped += int(await self._drop(keys=list(part), args=list(part.values())))
        return dropped

    async def limit(self, names: Sequence[str], seconds: int) -> None:
        """Gives keys a time to live."""
        with translated():
            async with self._redis.pipeline(transaction=False) as pipe:
                for name in names:
                    pipe.expire(name, seconds)
                await pipe.execute()
