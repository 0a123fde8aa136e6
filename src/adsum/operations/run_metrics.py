"""Counts the outcomes of ended runs, of all processes, in the metrics of an API process."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from adsum.operations.metrics import Metrics
from adsum.operations.repository import runs_ended_since
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database

# Clocks differ, and a run becomes visible after its `ended_at`. Runs of the last seconds are read twice.
OVERLAP = timedelta(seconds=30)


class RunMetrics:
    """Counts each run once, from the creation of this object."""

    def __init__(self, database: Database, metrics: Metrics, now: Clock) -> None:
        self._database = database
        self._metrics = metrics
        self._now = now
        self._since = now()
        self._counted: frozenset[str] = frozenset()
        self._lock = asyncio.Lock()

    async def update(self) -> None:
        """Counts the runs that ended since the last call. Raises Unavailable if the database does not respond."""
        async with self._lock:
            read_at = self._now()
            async with self._database.snapshot() as connection:
                ended = await runs_ended_since(connection, self._since)
            for run in ended:
                if run.run_id not in self._counted:
                    self._metrics.count_closed(run.tally, run.duration)
            self._counted = frozenset(run.run_id for run in ended)
            self._since = max(self._since, read_at - OVERLAP)
