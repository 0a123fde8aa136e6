"""Fixtures for tests of the Redis connection."""

from __future__ import annotations

from tests.batches.queue.conftest import redis

__all__ = ["redis"]
