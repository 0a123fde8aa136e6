"""Scans the keys of Adsum in Redis with their kinds, values and times to live, and removes some of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

from adsum.batches.queue.ledger import COUNTER, LEADER, MARKER, RELEASED_UNTIL, load_script
from adsum.batches.rules import LOCK
from adsum.platform.ids import Batch, parse_batch_id
from adsum.platform.redis.connection import translated
from adsum.platform.redis.shards import Shard, Shards

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
    RELEASED_UNTIL = "sweeper's position"


@dataclass(frozen=True, slots=True)
class ScannedKey:
    """One key. `batch` None: a ticket or a key of the sweeper; `lifetime` in seconds, None: it does not expire."""

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

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._drop = load_script(shards[0].redis, "drop")

    async def scan(self, limit: int) -> ScannedKeys:
        """Scans at most `limit` keys of the server of each shard, including those of other programs."""
        with translated():
            scans = [await self._scan_shard(shard, limit) for shard in self._shards]
        unique = {key.name: key for scan in scans for key in scan.keys}  # a scan may name a key twice
        return ScannedKeys(list(unique.values()), is_cut_off=any(scan.is_cut_off for scan in scans))

    async def _scan_shard(self, shard: Shard, limit: int) -> ScannedKeys:
        pattern = _SPECIAL.sub(r"\\\g<0>", shard.key_prefix) + "*"
        keys: list[ScannedKey] = []
        cursor, scanned = 0, 0
        while True:
            cursor, names = cast("tuple[int, list[str]]", await _scan(shard, cursor, pattern))
            keys += await _read(shard, names)
            scanned += STEP
            if cursor == 0 or scanned >= limit:
                return ScannedKeys(keys, is_cut_off=cursor != 0)

    async def drop(self, values: Mapping[str, str]) -> int:
        """Removes the keys that still have these values. Returns their number."""
        dropped = 0
        for shard, names in self._by_shard(values):
            for start in range(0, len(names), STEP):
                part = names[start : start + STEP]
                with translated():
                    removed = await self._drop(keys=part, args=[values[name] for name in part], client=shard.redis)
                dropped += int(removed)
        return dropped

    async def limit(self, names: Sequence[str], seconds: int) -> None:
        """Gives keys a time to live."""
        for shard, its in self._by_shard(names):
            with translated():
                async with shard.redis.pipeline(transaction=False) as pipe:
                    for name in its:
                        pipe.expire(name, seconds)
                    await pipe.execute()

    def _by_shard(self, names: Iterable[str]) -> list[tuple[Shard, list[str]]]:
        """The keys of each shard that has some of these. No prefix of a shard begins with that of another one."""
        names = list(names)
        shards = [(each, [name for name in names if name.startswith(each.key_prefix)]) for each in self._shards]
        return [(shard, its) for shard, its in shards if its]


async def _scan(shard: Shard, cursor: int, pattern: str) -> Any:
    return await shard.redis.scan(cursor, match=pattern, count=STEP, _type="STRING")  # pyright: ignore[reportUnknownMemberType]


async def _read(shard: Shard, names: Sequence[str]) -> list[ScannedKey]:
    families = {name: family for name in names if (family := _family(name.removeprefix(shard.key_prefix))) is not None}
    async with shard.redis.pipeline(transaction=False) as pipe:
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


def _family(name: str) -> tuple[KeyKind, Batch | None] | None:
    for beginning, kind in ((LOCK, KeyKind.LOCK), (COUNTER, KeyKind.COUNTER), (MARKER, KeyKind.MARKER)):
        if name.startswith(beginning) and (batch := parse_batch_id(name.removeprefix(beginning))) is not None:
            return kind, batch
    if _TICKET.fullmatch(name):
        return KeyKind.TICKET, None
    kind = {LEADER: KeyKind.LEADER, RELEASED_UNTIL: KeyKind.RELEASED_UNTIL}.get(name)
    return None if kind is None else (kind, None)
