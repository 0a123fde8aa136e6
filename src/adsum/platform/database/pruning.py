"""Deletes old rows in pages, so that other writers do not wait for one long transaction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime, timedelta

from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database


class PagedPruning(ABC):
    """Deletes once in `pause`; with more than a page of rows, at every call. `now` is the clock."""

    def __init__(self, database: Database, now: Clock, *, page: int, pause: timedelta) -> None:
        self._database = database
        self._now = now
        self._page = page
        self._pause = pause
        self._due = now()

    async def prune_if_due(self) -> int:
        """Deletes at most one page, in a transaction of its own. Returns the number of deleted rows."""
        now = self._now()
        if now < self._due:
            return 0
        async with self._database.transaction() as connection:
            pruned = await self._prune(connection, now)
        if pruned < self._page:
            self._due = now + self._pause
        return pruned

    @abstractmethod
    async def _prune(self, connection: Connection, now: datetime) -> int:
        """Deletes at most `_page` rows of each kind, and returns their number."""
