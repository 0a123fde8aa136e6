"""A client checks once whether the server has its scripts, and loads them again after they are lost."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from redis.asyncio import Redis

from adsum.platform.embedded.valkey import Valkey
from adsum.platform.redis.connection import open_redis
from adsum.platform.redis.scripts import ScriptedRedis
from tests.batches.queue.conftest import FIRST, OTHER_BATCH, SECOND, new_queue, run_of
from tests.support.servers.valkey import tell, url_of


@pytest.fixture
async def redis(own_valkey: Valkey) -> AsyncGenerator[Redis]:
    opened = open_redis(url_of(own_valkey), connections=4, socket_timeout=5, kind=ScriptedRedis)
    yield opened
    await opened.aclose()


async def number_of_checks(redis: Redis) -> int:
    """The number of checks whether the server has a script."""
    stats: dict[str, Any] = await redis.info("commandstats")  # pyright: ignore[reportUnknownMemberType]
    return int(stats.get("cmdstat_script|exists", {}).get("calls", 0))


async def test_the_existence_of_scripts_is_checked_once(redis: Redis) -> None:
    """An upgrade of redis-py breaks `ScriptedRedis` if pipelines no longer call `load_scripts` in `execute`."""
    queue = new_queue(redis)
    for run in (run_of(FIRST, [1, 2]), run_of(SECOND, [3], batch=OTHER_BATCH)):
        assert await queue.enqueue([run]) == [None]
    assert await number_of_checks(redis) == 1


async def test_missing_scripts_are_loaded_again(redis: Redis, own_valkey: Valkey) -> None:
    """An upgrade of redis-py breaks `ScriptedRedis` if `execute` no longer raises NoScriptError and keeps the stack."""
    queue = new_queue(redis)
    await queue.enqueue([run_of(FIRST, [1, 2])])
    tell(own_valkey, "SCRIPT FLUSH")
    assert await queue.enqueue([run_of(SECOND, [3], batch=OTHER_BATCH)]) == [None]
    assert await redis.llen("bull:attendance:wait") == 2
