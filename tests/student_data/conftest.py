"""What the tests of students' data share: a class that is marked, as the tests of corrections have it."""

from __future__ import annotations

from tests.batches.conftest import adsum, redis, settings, worker
from tests.corrections.conftest import register

__all__ = ["adsum", "redis", "register", "settings", "worker"]
