"""The sweeper: rescues open runs that have stalled, and releases ended runs that still hold their lock.

It derives everything from the database, so that Redis can be lost as a whole.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TypeAlias

from uuid6 import uuid7

from adsum.batches.complete import Completion, tickets_of
from adsum.batches.queue.chunks import Chunk
from adsum.batches.queue.ledger import Ledger
from adsum.batches.queue.service import QueueService, RunToEnqueue
from adsum.batches.repository import jobs, runs
from adsum.batches.repository.jobs import JobSlice
from adsum.batches.run import Run
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.platform.errors import Unavailable
from adsum.platform.redis.connection import QueueOutage
from adsum.platform.telemetry import LogIcon, logger

# Open runs per page: one query, one pipeline. Fewer if they are large, since each job is a key in the pipeline.
PAGE = 200
PAGE_JOBS = 20_000
# Maximum share of the worker's time that sweeping takes, however many runs are open.
SHARE = 0.2
# Ended runs per page; they are read without their plans. Then as many plans at once, whose size is not known before.
ENDED_PAGE = 1_000
RELEASED_AT_ONCE = 10
FIRST_RUN_ID = "00000000-0000-0000-0000-000000000000"
# Clocks differ, so the runs of the last moments are checked twice.
OVERLAP = timedelta(seconds=5)
# The previous leader has checked older runs. If there was none, each pass checks one page of them.
RECENT = timedelta(seconds=60)

Chore: TypeAlias = Callable[[], Awaitable[object]]
"""Other periodic work of the leading sweeper. It checks by itself whether anything is due. Two processes may do it at
once.
"""

Position: TypeAlias = tuple[datetime, str]
"""The position of a run in the order in which runs ended: the time and its id."""

log = logger(__name__)


class UnreleasedRuns:
    """Releases runs that ended and whose process died before it released them. Bounded work per pass.

    Args:
        database: has the state of every run.
        ledger: knows which run holds each lock.
        now: the clock.
        lock_ttl: time to live of a lock: older runs hold none.
        page: number of runs that are checked together.
        shard: the number of the shard whose runs are checked.
    """

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        now: Clock,
        *,
        lock_ttl: timedelta,
        page: int = ENDED_PAGE,
        shard: int = 0,
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._now = now
        self._page = page
        self.share = (shard, len(ledger.shards))
        self._released_until = now() - lock_ttl
        self._past: Position | None = None

    async def release(self) -> int:
        """Releases runs that ended since the last pass, and checks one more page of older ones.

        Returns:
            The number of runs that were released.
        """
        began = self._now()
        if self._released_until < began - RECENT:  # the first pass, or another process led for a while
            self._past = self._past or (self._released_until, FIRST_RUN_ID)
            self._released_until = began - RECENT
        released, position = 0, (self._released_until, FIRST_RUN_ID)
        while position is not None:
            count, position = await self._release_page(position)
            released += count
        self._released_until = began - OVERLAP
        if self._past is not None:
            count, self._past = await self._release_page(self._past)
            released += count
        return released

    async def _release_page(self, position: Position) -> tuple[int, Position | None]:
        """One page after `position`: the number of runs released, and the position of the next page."""
        async with self._database.snapshot() as connection:
            page = await runs.runs_ended_after(connection, position, self._page, self.share)
        holders = await self._ledger.holders([batch for _, _, batch in page])
        held = [run_id for (_, run_id, _), holder in zip(page, holders, strict=True) if holder == run_id]
        released = 0
        for first in range(0, len(held), RELEASED_AT_ONCE):
            released += await self._release(held[first : first + RELEASED_AT_ONCE])
        return released, page[-1][:2] if len(page) == self._page else None

    async def _release(self, run_ids: Sequence[str]) -> int:
        async with self._database.snapshot() as connection:
            ended = await runs.find_runs(connection, run_ids)
        return sum(await self._ledger.release_all([tickets_of(run, run.completed_at) for run in ended.values()]))


class Sweeper:
    """One for each shard in every worker; of those of a shard, one leads at a time. Two leaders at once do no harm.
    None waits for the server of another shard.

    Args:
        database: the source of truth.
        queue: gets the messages that it lacks.
        completion: closes runs that have no pending job.
        unreleased: releases runs that ended and still hold their lock; those of the shard that is swept.
        now: the clock.
        interval: seconds between two passes, `ADSUM_SWEEP_INTERVAL`.
        grace: age from which an open run counts as stalled, `ADSUM_SWEEP_GRACE`. Until then, the process that
            accepted it enqueues it.
        page: number of open runs that are checked together.
    """

    def __init__(
        self,
        database: Database,
        queue: QueueService,
        completion: Completion,
        unreleased: UnreleasedRuns,
        now: Clock,
        *,
        interval: float,
        grace: timedelta,
        page: int = PAGE,
    ) -> None:
        self._database = database
        self._queue = queue
        self._completion = completion
        self._unreleased = unreleased
        self._now = now
        self._interval = interval
        self._grace = grace
        self._page = page
        self._shard = queue.shards[unreleased.share[0]]
        self._name = str(uuid7())
        self._failing: set[Chore] = set()
        self.is_leading = False

    async def run(self, stop: asyncio.Event, chores: Sequence[Chore] = ()) -> None:
        """Makes one pass after another until `stop` is set; the leader does the chores, too. An outage ends a pass,
        never the sweeper. A chore that fails, or meets an outage, is logged once, and the others are done.
        """
        while not stop.is_set():
            began = time.monotonic()
            try:
                await self._sweep_and_do(chores)
            except Unavailable as error:
                _log_outage(error)
            pause = max(self._interval, (time.monotonic() - began) / SHARE)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)

    async def _sweep_and_do(self, chores: Sequence[Chore]) -> None:
        try:
            await self.sweep_if_leading()
        except QueueOutage as error:
            # The last leader still does the chores, which need the database alone. If only this process is cut off from
            # its shard, another one does them, too: every chore is safe twice at once.
            _log_outage(error)
        if self.is_leading:
            for chore in chores:
                await self._do(chore)

    async def _do(self, chore: Chore) -> None:
        try:
            await chore()
        except Exception as error:
            if chore not in self._failing:  # at every pass it would fill the log
                self._failing.add(chore)
                if isinstance(error, Unavailable):
                    log.error("outage, a chore is postponed", mark=LogIcon.ERROR, code=error.code)
                else:
                    log.exception("a chore failed", mark=LogIcon.ERROR)
        else:
            self._failing.discard(chore)

    async def sweep_if_leading(self) -> bool:
        """Makes a pass unless another sweeper leads. Returns whether it did."""
        self.is_leading = await self._queue.ledger.lead(self._shard, self._name, 2 * self._interval)
        if self.is_leading:
            await self.sweep()
        return self.is_leading

    async def sweep(self) -> int:
        """Checks every open run once, and the runs that ended since the last pass.

        Returns:
            The number of runs that were closed, rescued or released.
        """
        return await self._sweep_open_runs() + await self._unreleased.release()

    async def _sweep_open_runs(self) -> int:
        moved, last, before = 0, None, self._now() - self._grace
        while True:
            async with self._database.snapshot() as connection:
                page = await runs.open_runs_after(
                    connection, last, before, self._page, max_jobs=PAGE_JOBS, share=self._unreleased.share
                )
            if not page:
                return moved
            moved += await self._sweep_page(page)
            last = page[-1].run_id

    async def _sweep_page(self, page: Sequence[Run]) -> int:
        missing = await self._queue.renew_and_find_missing(page)
        stopped = [(run, chunks) for run, chunks in zip(page, missing, strict=True) if chunks]
        if not stopped:
            return 0
        pending = await pending_students_of_runs(self._database, [run for run, _ in stopped])
        finished = [run for run, _ in stopped if run.run_id not in pending]
        return await self._completion.close_finished(finished) + await self._rescue(_stalled(stopped, pending))

    async def _rescue(self, stalled: Sequence[RunToEnqueue]) -> int:
        if not stalled:
            return 0
        rescued = 0
        for run, holder in zip(stalled, await self._queue.claim_and_enqueue(stalled), strict=True):
            if holder is not None and not await self._completion.take_over(run, holder):
                continue
            log.info(
                "run rescued",
                mark=LogIcon.LOCK,
                batch_id=run.batch.id,
                run_id=run.run_id,
                chunks=len(run.chunks),
            )
            rescued += 1
        return rescued


def _log_outage(error: Unavailable) -> None:
    log.error("outage, sweep postponed", mark=LogIcon.ERROR, code=error.code)


def _stalled(stopped: Sequence[tuple[Run, list[Chunk]]], pending: Mapping[str, set[int]]) -> list[RunToEnqueue]:
    """Runs with pending jobs in chunks that BullMQ does not have: no worker would process them.

    A lost lock, counter or ticket alone stalls no run: the worker that finds none lets the database count.
    """
    stalled: list[RunToEnqueue] = []
    for run, missing in stopped:
        students = pending.get(run.run_id, set())
        chunks = [chunk for chunk in missing if any(job.student_id in students for job in run.chunks[chunk.number])]
        if chunks:
            stalled.append(RunToEnqueue(run.batch, run.run_id, sorted(students), chunks))
    return stalled


async def pending_students_of_runs(database: Database, open_runs: Sequence[Run]) -> dict[str, set[int]]:
    """By run, the students whose job has no outcome; runs without such jobs are left out."""
    slices = [JobSlice(run.run_id, number) for run in open_runs for number in range(len(run.chunks))]
    async with database.snapshot() as connection:
        return await jobs.pending_students(connection, slices)
