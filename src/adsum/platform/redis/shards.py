"""Shards: the parts of the queue, and the part that each session belongs to.

All keys of a session have the prefix of its shard, which is a hash tag: in a cluster they are in one slot, on one
server. A single shard without a cluster has no tag.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from redis.asyncio import Redis

from adsum.platform.addresses import names_cluster
from adsum.platform.cancellation import all_of, close
from adsum.platform.redis.connection import QueueOutage, open_redis
from adsum.platform.redis.scripts import ScriptedRedis
from adsum.platform.redis.slots import home_prefix, shard_prefixes

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

    @classmethod
    def opened(cls, url: str, key_prefix: str, number: int, *, connections: int, socket_timeout: float) -> Shards:
        """The shards of an installation, on open clients.

        Args:
            url: of the server, or of the cluster.
            key_prefix: of the installation.
            number: of the shards.
            connections, socket_timeout: see `open_redis`; of each client.
        """
        is_cluster = names_cluster(url)

        def open_client(prefix: str) -> Redis:
            return open_redis(
                url, connections=connections, socket_timeout=socket_timeout, kind=ScriptedRedis, key_prefix=prefix
            )

        prefixes = shard_prefixes(key_prefix, number, is_cluster=is_cluster)
        home = home_prefix(key_prefix, is_cluster=is_cluster)
        client = open_client(home)
        # Without a cluster, one client serves all shards.
        clients = [open_client(prefix) if is_cluster else client for prefix in prefixes]
        shards = [Shard(*each) for each in zip(range(number), clients, prefixes, strict=True)]
        return cls(shards, Shard(0, client, home))

    async def aclose(self) -> None:
        """Closes the clients, as `close` does."""
        await close(*{id(each.redis): each.redis for each in (self.home, *self._shards)}.values())

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
        results = await all_of(
            call(self._shards[number], [items[place] for place in its]) for number, its in places.items()
        )
        found: dict[int, Result] = {}
        for its, result in zip(places.values(), results, strict=True):
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
