"""Fixtures for tests of the Redis connection, and of workers on it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from adsum.platform.errors import ConfigurationError
from adsum.platform.redis.connection import open_redis
from tests.batches.queue.conftest import queue, redis

__all__ = ["queue", "redis"]


def refusal_of(url: str) -> str:
    """The one line with which a wrong URL is refused. It does not have the password."""
    with pytest.raises(ConfigurationError) as refused:
        open_redis(url.replace("://", "://user:secret@", 1), connections=1, socket_timeout=1)
    assert refused.value.detail.startswith("ADSUM_REDIS_URL: ")
    assert "secret" not in refused.value.detail
    assert "\n" not in refused.value.detail
    return refused.value.detail


async def cancel_at_each_step(start: Callable[[], Coroutine[Any, Any, object]], share: int = 1) -> None:
    """Starts work, and cancels it after one more step of the event loop each time, until it ends before that; at one of
    `share` steps. A connection that the work leaves open is collected here, and its warning fails the test.
    """
    steps = 0
    while True:
        working = asyncio.create_task(start())
        for _ in range(steps):
            await asyncio.sleep(0)
        was_under_way = working.cancel()
        await asyncio.wait([working])
        if not was_under_way:
            working.result()
            break
        steps += share
    del working
    gc.collect()
