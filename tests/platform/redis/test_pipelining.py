"""Scripts of one turn of the event loop are sent together, and each receives its own reply."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from adsum.platform.redis.connection import open_redis
from adsum.platform.redis.scripts import PipeliningRedis

# Adds a number and returns the sum. A key without a number is an error of this call alone.
SCRIPT = "return redis.call('INCRBY', KEYS[1], ARGV[1])"
MANY = 50


@pytest.fixture
async def client(redis_url: str) -> AsyncGenerator[Redis]:
    opened = open_redis(redis_url, connections=MANY, socket_timeout=5, kind=PipeliningRedis)
    yield opened
    await opened.aclose()


def adding(client: Redis) -> Any:
    return client.register_script(SCRIPT)


async def test_scripts_of_one_turn_share_a_connection_in_order(client: Redis, redis: Redis) -> None:
    """An upgrade of redis-py breaks `PipeliningRedis` if scripts do not pass `execute_command("EVALSHA", …)`."""
    add = adding(client)
    await add(keys=["sum"], args=[0])  # loads the script
    before = await connections(redis)

    replies = await asyncio.gather(*(add(keys=["sum"], args=[number]) for number in range(MANY)))

    assert replies == [sum(range(number + 1)) for number in range(MANY)]
    assert await connections(redis) == before


async def test_an_error_of_one_script_does_not_affect_the_others(client: Redis, redis: Redis) -> None:
    add = adding(client)
    await redis.set("no number", "x")

    first, second, third = await asyncio.gather(
        *(add(keys=[key], args=[1]) for key in ("a", "no number", "b")), return_exceptions=True
    )

    assert (first, third) == (1, 1)
    assert isinstance(second, ResponseError)


async def test_scripts_are_loaded_again_after_a_script_flush(client: Redis, redis: Redis) -> None:
    add = adding(client)
    await add(keys=["sum"], args=[1])
    await redis.script_flush()
    assert sorted(await asyncio.gather(*(add(keys=["sum"], args=[1]) for _ in range(3)))) == [2, 3, 4]


async def test_a_cancelled_caller_affects_no_other(client: Redis) -> None:
    add = adding(client)
    calls = [asyncio.ensure_future(add(keys=["sum"], args=[1])) for _ in range(3)]
    await asyncio.sleep(0)
    calls[1].cancel()
    replies = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(reply) for reply in replies] == [int, asyncio.CancelledError, int]


async def test_an_unavailable_server_is_an_outage_for_each_caller(client: Redis, redis: Redis) -> None:
    add = adding(client)
    await add(keys=["sum"], args=[1])
    await client.connection_pool.disconnect()
    cast("Any", client.connection_pool).connection_kwargs["path"] = "/nowhere"
    client.connection_pool.reset()
    replies = await asyncio.gather(*(add(keys=["sum"], args=[1]) for _ in range(3)), return_exceptions=True)
    assert [isinstance(reply, RedisConnectionError) for reply in replies] == [True] * 3


@pytest.mark.parametrize("turns", range(5))
async def test_closing_during_a_pipeline_leaves_no_connection(redis_url: str, turns: int) -> None:
    client = open_redis(redis_url, connections=4, socket_timeout=5, kind=PipeliningRedis)
    call = asyncio.ensure_future(adding(client)(keys=["sum"], args=[1]))
    for _ in range(turns):
        await asyncio.sleep(0)
    await client.aclose()
    await asyncio.wait([call], timeout=5)
    assert call.done()
    assert call.cancelled() or call.exception() is not None or call.result() == 1
    await client.aclose()
    gc.collect()  # an unclosed connection warns here, and a warning is an error


async def connections(redis: Redis) -> int:
    return len(await cast("Any", redis).client_list())
