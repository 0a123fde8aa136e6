"""What the tests of statuses share: the API of a school, as the tests of batches have it."""

from __future__ import annotations

from tests.batches.conftest import adsum, api, redis, school, settings, worker

__all__ = ["adsum", "api", "redis", "school", "settings", "worker"]
