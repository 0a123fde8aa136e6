"""Fixtures for tests of the Redis connection, and of workers on it."""

from __future__ import annotations

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
