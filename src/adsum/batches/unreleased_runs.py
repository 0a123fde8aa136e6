"""Unreleased runs: ended by somebody who did not live to release them, so that their locks still stand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from adsum.batches.complete import release_of
from adsum.batches.queue.service import QueueService
from adsum.batches.repository import runs
from adsum.platform.database.engine import Database

# Runs that are looked at together: one query, one pipeline. They come without their plans.
PAGE = 1_000
# Of those that are found, whose size is not known before their plans are read.
RELEASED_AT_ONCE = 10
FIRST_RUN_ID = "00000000-0000-0000-0000-000000000000"
# Clocks differ: the last moments are looked at twice.
OVERLAP = timedelta(seconds=5)
# What ended longer ago has been looked at by whoever led then. Where nobody did, it is looked at page by page.
RECENT = timedelta(seconds=60)

Place = tuple[datetime, str]
"""Where a run stands among those that ended: the moment, and its id."""


class UnreleasedRuns:
    """Finds them and releases them, with a bounded number of looks in each pass.

    Args:
        database: which knows what ended.
        queue: which knows what is held.
        now: the clock.
        lock_ttl: how long a lock lives that nobody renews: no look goes further back.
        page: how many runs are looked at together.
    """

    def __init__(
        self,
        database: Database,
        queue: QueueService,
        now: Callable[[], datetime],
        *,
        lock_ttl: timedelta,
        page: int = PAGE,
    ) -> None:
        self._database = database
        self._queue = queue
        self._now = now
        self._page = page
        self._seen_until = now() - lock_ttl
        self._past: Place | None = None

    async def release(self) -> int:
        """Releases what ended since the last pass, and looks at one more page of what ended before.

        Returns:
            How many were released.
        """
        began = self._now()
        if self._seen_until < began - RECENT:  # the first pass, or another process led for a while
            self._past = self._past or (self._seen_until, FIRST_RUN_ID)
            self._seen_until = began - RECENT
        released, place = 0, (self._seen_until, FIRST_RUN_ID)
        while place is not None:
            count, place = await self._look(place)
            released += count
        self._seen_until = began - OVERLAP
        if self._past is not None:
            count, self._past = await self._look(self._past)
            released += count
        return released

    async def _look(self, place: Place) -> tuple[int, Place | None]:
        """One page from beyond `place`: how many were released of it, and where the next one begins."""
        async with self._database.snapshot() as connection:
            page = await runs.runs_ended_after(connection, place, self._page)
        holders = await self._queue.holders([batch for _, _, batch in page])
        held = [run_id for (_, run_id, _), holder in zip(page, holders, strict=True) if holder == run_id]
        released = 0
        for first in range(0, len(held), RELEASED_AT_ONCE):
            released += await self._release(held[first : first + RELEASED_AT_ONCE])
        return released, page[-1][:2] if len(page) == self._page else None

    async def _release(self, run_ids: Sequence[str]) -> int:
        async with self._database.snapshot() as connection:
            found = await runs.find_runs(connection, run_ids)
            endings = await runs.run_endings(connection, run_ids)
        releases = [release_of(found[run_id], endings[run_id].completed_at) for run_id in run_ids]
        return sum(await self._queue.release_all(releases))
