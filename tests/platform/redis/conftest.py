"""Fixtures for tests of the Redis connection, and of workers on it."""

from __future__ import annotations

from tests.batches.queue.conftest import queue, redis

__all__ = ["queue", "redis"]
