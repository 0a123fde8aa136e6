"""Sessions belong to shards, whose keys are in slots of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from redis.asyncio import Redis

from adsum.platform.redis.connection import QueueOutage
from adsum.platform.redis.shards import Shard, Shards, answers_of
from adsum.platform.redis.slots import SLOTS, shard_prefixes, slot_of
from adsum.platform.setting_groups.queue import MAX_SHARDS


def shards_of(number: int) -> Shards:
    client = Redis()
    shards = [Shard(each, client, prefix) for each, prefix in enumerate(shard_prefixes("", number, is_cluster=False))]
    return Shards(shards, home=shards[0])


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
