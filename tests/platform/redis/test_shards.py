"""Sessions belong to shards, whose keys are in slots of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import cast

import pytest
from redis.asyncio import Redis
from typing_extensions import override

from adsum.platform.redis.connection import QueueOutage, open_redis
from adsum.platform.redis.shards import Shard, Shards, answers_of
from adsum.platform.redis.slots import SLOTS, shard_prefixes, slot_of
from adsum.platform.setting_groups.queue import MAX_SHARDS


def shards_of(number: int) -> Shards:
    client = Redis()
    shards = [Shard(each, client, prefix) for each, prefix in enumerate(shard_prefixes("", number, is_cluster=False))]
    return Shards(shards, home=shards[0])


class SlowClient(Redis):
    """A client that is closed after a step of the event loop, and then may fail."""

    closed: list[Redis]
    error: Exception | None = None

    @override
    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        await asyncio.sleep(0)
        self.closed.append(self)
        if self.error is not None:
            raise self.error


@pytest.fixture
def slow() -> Shards:
    """Shards with a client each, and one for the home."""
    closed = list[Redis]()
    clients = [SlowClient() for _ in range(4)]
    for each in clients:
        each.closed = closed
    home, *shards = [Shard(number, client, "") for number, client in enumerate(clients)]
    return Shards(shards, home)


def closed_of(shards: Shards) -> int:
    assert isinstance(shards.home.redis, SlowClient)
    return len(shards.home.redis.closed)


async def test_all_clients_are_closed_although_the_caller_is_cancelled(slow: Shards) -> None:
    closing = asyncio.create_task(slow.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert closed_of(slow) == 4


async def test_all_clients_are_closed_although_one_fails(slow: Shards) -> None:
    assert isinstance(slow.home.redis, SlowClient)
    slow.home.redis.error = OSError("broken pipe")
    with pytest.raises(OSError, match="broken pipe"):
        await slow.aclose()
    assert closed_of(slow) == 4


@pytest.mark.parametrize("url", ["redis+cluster://127.0.0.1:{port}", "redis+sentinel://127.0.0.1:{port}/main"])
async def test_a_pool_whose_connections_cannot_be_closed_ends_its_search_for_a_server(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    asked = asyncio.Event()

    async def be_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await reader.read(-1)
        writer.close()

    async def fail(*, inuse_connections: bool = True) -> None:
        raise OSError("broken pipe")

    silent = await asyncio.start_server(be_silent, "127.0.0.1", 0)
    async with silent:
        client = open_redis(url.format(port=silent.sockets[0].getsockname()[1]), connections=1, socket_timeout=60)
        asking = asyncio.ensure_future(cast("Awaitable[str | None]", client.get("key")))
        await asked.wait()
        monkeypatch.setattr(client.connection_pool, "disconnect", fail)
        with pytest.raises(OSError, match="broken pipe"):
            await client.aclose()
        # The search is shared by all requests, so it ends only if the pool ends it.
        with pytest.raises(asyncio.CancelledError):
            await asking


@pytest.mark.parametrize(
    ("key", "slot"),
    [("foo", 12182), ("{foo}bar", 12182), ("a{foo}{bar}", 12182), ("{}foo", 9500), ("123456789", 12739)],
)
def test_the_slot_of_a_key_is_that_of_its_hash_tag(key: str, slot: int) -> None:
    assert slot_of(key) == slot


def test_a_single_shard_has_the_keys_of_an_installation_without_shards() -> None:
    assert shard_prefixes("school:", 1, is_cluster=False) == ["school:"]


@pytest.mark.parametrize("number", [2, 3, 4, 7, MAX_SHARDS])
def test_each_primary_of_as_many_has_one_shard(number: int) -> None:
    slots = [slot_of(prefix) for prefix in shard_prefixes("school:", number, is_cluster=True)]
    assert [slot * number // SLOTS for slot in slots] == list(range(number))


def test_a_session_always_belongs_to_the_same_shard() -> None:
    shards = shards_of(3)
    assert [shards.of(session).number for session in (3, 4, 5, 6)] == [0, 1, 2, 0]


async def test_results_are_in_the_order_of_the_items() -> None:
    async def call(shard: Shard, items: Sequence[int]) -> list[tuple[int, int]]:
        await asyncio.sleep(0)
        return [(shard.number, item) for item in items]

    shards = shards_of(2)
    assert await shards.spread([5, 4, 3, 2], abs, call) == [(1, 5), (0, 4), (1, 3), (0, 2)]
    assert await shards.spread([1, 3], abs, call) == [(1, 1), (1, 3)]
    assert await shards.spread([], abs, call) == []


async def test_an_outage_of_a_shard_is_raised_after_the_others_are_done() -> None:
    done = list[int]()

    async def call(shard: Shard, items: Sequence[int]) -> Sequence[int]:
        if shard.number == 0:
            raise QueueOutage("away")
        await asyncio.sleep(0)
        done.extend(items)
        return items

    with pytest.raises(QueueOutage):
        await shards_of(2).spread([1, 2, 3], abs, call)
    assert done == [1, 3]


async def test_figures_are_of_the_shards_that_answer() -> None:
    async def answer(value: int | Exception) -> int:
        if isinstance(value, Exception):
            raise value
        return value

    assert await answers_of(map(answer, [QueueOutage("away"), 2, 3])) == [2, 3]
    with pytest.raises(QueueOutage):
        await answers_of(map(answer, [QueueOutage("away"), QueueOutage("away")]))
    with pytest.raises(ZeroDivisionError):
        await answers_of(map(answer, [1, ZeroDivisionError()]))
