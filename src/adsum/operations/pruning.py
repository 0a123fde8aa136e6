"""Pruning: of runs that ended long ago only the counts are kept, so that the database does not grow for ever."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from adsum.operations.pruning_repository import prune_answers, prune_runs
from adsum.platform.database.engine import Database
from adsum.platform.telemetry import logger

# What is pruned at once: one short transaction, so that nobody who writes waits for it.
PAGE = 200
PAUSE = timedelta(hours=1)

log = logger(__name__)


class Pruning:
    """Looks once an hour for what is older than `keep`; while there is more than a page of it, at every call.

    Args:
        database: what grows.
        now: the clock.
        keep: how long a run is kept whole after it ended, and the answer to a request with an idempotency key.
        page: how many runs, and how many answers, are pruned in one call.
    """

    def __init__(self, database: Database, now: Callable[[], datetime], *, keep: timedelta, page: int = PAGE) -> None:
        self._database = database
        self._now = now
        self._keep = keep
        self._page = page
        self._due = now()

    async def prune_if_due(self) -> int:
        """One page at most. Two processes at once do no harm.

        Returns:
            How many runs and answers were pruned.
        """
        now = self._now()
        if now < self._due:
            return 0
        async with self._database.transaction() as connection:
            runs = await prune_runs(connection, now - self._keep, now, self._page)
            answers = await prune_answers(connection, now - self._keep, self._page)
        if max(runs, answers) < self._page:
            self._due = now + PAUSE
        if runs or answers:
            log.info("what ended long ago was pruned", rows=runs + answers)
        return runs + answers
