"""Shards: the parts of the queue, and the part that each session belongs to.

All keys of a session have the prefix of its shard, which is a hash tag: in a cluster they are in one slot, on one
server. A single shard without a cluster has no tag.
"""

from __future__ import annotations

import asyncio
from binascii import crc_hqx
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from redis.asyncio import Redis

from adsum.platform.redis.connection import QueueOutage

SLOTS = 16_384
# The hash tag of keys that belong to no session.
HOME = "{adsum}"

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Shard:
    """One part of the queue: the client of its server, and the prefix of its keys."""

    number: int
    redis: Redis
    key_prefix: str


class Shards(Sequence[Shard]):
    """All shards. `home` has the keys that belong to no session: limits, failed sign-ins, the queue of webhooks."""

    def __init__(self, shards: Sequence[Shard], home: Shard) -> None:
        self._shards = tuple(shards)
        self.home = home

    @classmethod
    def single(cls, redis: Redis, key_prefix: str) -> Shards:
        """One shard, without a cluster."""
        only = Shard(0, redis, key_prefix)
        return cls([only], only)

    def of(self, session_id: int) -> Shard:
        """The shard of a session."""
        return self._shards[session_id % len(self._shards)]

    async def spread(
        self,
        items: Sequence[Item],
        session_of: Callable[[Item], int],
        call: Callable[[Shard, Sequence[Item]], Awaitable[Sequence[Result]]],
    ) -> list[Result]:
        """Calls `call` for each shard with its items, at once. Returns one result per item, in their order.

        Raises an error of one shard after the others are done.
        """
        places: dict[int, list[int]] = {}
        for place, item in enumerate(items):
            places.setdefault(session_of(item) % len(self._shards), []).append(place)
        if len(places) == 1:
            (number,) = places
            return list(await call(self._shards[number], items))
        results = await asyncio.gather(
            *(call(self._shards[number], [items[place] for place in its]) for number, its in places.items()),
            return_exceptions=True,
        )
        found: dict[int, Result] = {}
        for its, result in zip(places.values(), results, strict=True):
            if isinstance(result, BaseException):
                raise result
            found.update(zip(its, result, strict=True))
        return [found[place] for place in range(len(items))]

    def __len__(self) -> int:
        return len(self._shards)

    def __getitem__(self, number: int) -> Shard:  # pyright: ignore[reportIncompatibleMethodOverride] - no slices
        return self._shards[number]

    def __iter__(self) -> Iterator[Shard]:
        return iter(self._shards)


async def answers_of(calls: Iterable[Awaitable[Result]]) -> list[Result]:
    """The answers of the shards that have one. Raises the error of the first shard if none has."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    found = [each for each in answers if not isinstance(each, BaseException)]
    for each in answers:
        if isinstance(each, BaseException) and not (found and isinstance(each, QueueOutage)):
            raise each
    return found


def slot_of(key: str) -> int:
    """The slot of a key in a cluster."""
    _, opened, rest = key.partition("{")
    tag, closed, _ = rest.partition("}")
    return crc_hqx((tag if opened and closed and tag else key).encode(), 0) % SLOTS


def shard_prefixes(key_prefix: str, number: int) -> list[str]:
    """The prefixes of the keys of this number of shards. A single one has that of the installation."""
    return [key_prefix] if number == 1 else [f"{key_prefix}{tag}" for tag in tags(number)]


def tags(number: int) -> list[str]:
    """The hash tags of this number of shards.

    Each is in the middle of its equal part of the slots, where a cluster of as many primaries has one of them: tags
    chosen without regard to their slots would leave some primaries idle.
    """
    return [next(filter(_in_middle(shard, number), _candidates(shard, number))) for shard in range(number)]


def _candidates(shard: int, number: int) -> Iterator[str]:
    return (f"{{adsum-{shard}-of-{number}-{attempt}}}" for attempt in count())


def _in_middle(shard: int, number: int) -> Callable[[str], bool]:
    size = SLOTS / number
    return lambda tag: (shard + 0.25) * size <= slot_of(tag) < (shard + 0.75) * size
