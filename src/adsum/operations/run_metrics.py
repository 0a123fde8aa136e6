"""Counts, for the metrics of an API process, what became of the runs that any process has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from adsum.operations.metrics import Metrics
from adsum.operations.repository import runs_ended_since
from adsum.platform.database.engine import Database

# Clocks differ, and a commit comes after the moment that it carries: the last of these is looked at twice.
OVERLAP = timedelta(seconds=30)


class EndedRuns:
    """Counts each run once, from the moment at which this was made."""

    def __init__(self, database: Database, metrics: Metrics, now: Callable[[], datetime]) -> None:
        self._database = database
        self._metrics = metrics
        self._now = now
        self._since = now()
        self._counted: frozenset[str] = frozenset()
        self._turn = asyncio.Lock()

    async def count(self) -> None:
        """Counts the runs that ended since the last time. Raises Unavailable without the database."""
        async with self._turn:
            looked_at = self._now()
            async with self._database.snapshot() as connection:
                ended = await runs_ended_since(connection, self._since)
            for run in ended:
                if run.run_id not in self._counted:
                    self._metrics.count_closed(run.tally, run.took)
            self._counted = frozenset(run.run_id for run in ended)
            self._since = max(self._since, looked_at - OVERLAP)
