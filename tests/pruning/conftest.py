"""What the tests of pruning share with those of batches: everything wired, on real servers."""

from __future__ import annotations

from tests.batches.conftest import adsum, api, redis, school, settings, worker

__all__ = ["adsum", "api", "redis", "school", "settings", "worker"]
