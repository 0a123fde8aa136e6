"""The sweeper: rescues stalled runs, and releases ended runs that still hold their lock.

It derives everything from the database, so that Redis can be lost as a whole.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import datetime, timedelta
from typing import TypeAlias

from uuid6 import uuid7

from adsum.batches.complete import Completion, tickets_of
from adsum.batches.queue.chunks import Chunk
from adsum.batches.queue.ledger import Ledger
from adsum.batches.queue.service import QueueService, RunToEnqueue
from adsum.batches.repository import jobs, runs
from adsum.batches.repository.jobs import JobSlice
from adsum.batches.rules import is_run_id
from adsum.batches.run import Run
from adsum.platform.cancellation import all_of
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.platform.errors import Unavailable
from adsum.platform.redis.connection import QueueOutage
from adsum.platform.telemetry import LogIcon, logger

# Open runs per page: one query, one pipeline. Fewer if they are large, since each job is a key in the pipeline.
PAGE = 200
PAGE_JOBS = 20_000
# They share PAGE_JOBS, which bounds the memory. After an outage, three enqueue 1.6 times as many runs a second as one.
PAGES_AT_ONCE = 3
# Maximum share of the worker's time that sweeping takes, however many runs are open.
SHARE = 0.2
# Ended runs per page, which are read without their plans, and pages per pass: more than end between two passes. Then as
# many plans at once, whose size is not known before.
ENDED_PAGE = 1_000
ENDED_PAGES = 20
RELEASED_AT_ONCE = 10
FIRST_RUN_ID = "00000000-0000-0000-0000-000000000000"
# Clocks differ, so the runs of the last moments are checked twice.
OVERLAP = timedelta(seconds=5)

Chore: TypeAlias = Callable[[], Awaitable[object]]
"""Other periodic work of the leading sweeper. It checks by itself whether anything is due. Two processes may do it at
once.
"""

Position: TypeAlias = tuple[datetime, str]
"""The position of a run in the order in which runs ended: the time and its id."""

log = logger(__name__)


class UnreleasedRuns:
    """Releases runs that ended and still hold their lock: their process died before it released them, or Redis lost the
    release in a failover. Bounded work per pass.

    The position up to which they are released is in Redis beside the locks. A server that has lost releases has lost
    the later positions, too, so that these runs are checked again.

    Args:
        database: has the state of every run.
        ledger: knows which run holds each lock, and the position.
        now: the clock.
        lock_ttl: time to live of a lock: older runs hold none.
        page: number of runs that are checked together.
        pages: maximum number of pages in a pass; the next pass goes on.
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
        pages: int = ENDED_PAGES,
        shard: int = 0,
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._now = now
        self._lock_ttl = lock_ttl
        self._page = page
        self._pages = pages
        self.share = (shard, len(ledger.shards))

    async def release(self) -> int:
        """Releases the runs that ended after the position, and moves it.

        Returns:
            The number of runs that were released.
        """
        began = self._now()
        shard = self._ledger.shards[self.share[0]]
        stored = await self._ledger.released_until(shard)
        last, released = self._first_position(stored, began), 0
        for _ in range(self._pages):
            async with self._database.snapshot() as connection:
                page = await runs.runs_ended_after(connection, last, self._page, self.share)
            if not page:
                break
            last = page[-1][:2]
            following = _text_of(min(last, (began - OVERLAP, FIRST_RUN_ID)))
            ended = [(run_id, batch) for _, run_id, batch in page]
            if held := await self._ledger.move_released(shard, ended, stored, following):
                released += await self._release(held)
                # On a failover, some connections may still be to the old primary: the releases are not on the new one.
                if await self._ledger.move_released(shard, ended, stored, following):
                    break
            if len(page) < self._page:
                break
            stored = following
        return released

    def _first_position(self, stored: str, began: datetime) -> Position:
        """The stored position. All runs that may hold a lock are checked if there is none, or one of a wrong clock."""
        oldest = (began - self._lock_ttl, FIRST_RUN_ID)
        position = _position_of(stored)
        return position if position is not None and oldest < position < (began, FIRST_RUN_ID) else oldest

    async def _release(self, run_ids: Sequence[str]) -> int:
        released = 0
        for first in range(0, len(run_ids), RELEASED_AT_ONCE):
            async with self._database.snapshot() as connection:
                ended = await runs.find_runs(connection, run_ids[first : first + RELEASED_AT_ONCE])
            held = await self._ledger.release_all([tickets_of(run, run.completed_at) for run in ended.values()])
            released += sum(held)
        return released


def _text_of(position: Position) -> str:
    return f"{position[0].isoformat()} {position[1]}"


def _position_of(text: str) -> Position | None:
    """None: there is none, or another program has written it."""
    moment, _, run_id = text.partition(" ")
    try:
        ended_at = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return (ended_at, run_id) if ended_at.tzinfo is not None and is_run_id(run_id) else None


class Sweeper:
    """Rescues stalled runs. A run is stalled if it has been open for `grace`, BullMQ lacks one of its chunks, and a job
    of that chunk is pending.

    One for each shard in every worker; of those of a shard, one leads at a time. Two leaders at once do no harm. None
    waits for the server of another shard.

    Args:
        database: the source of truth.
        queue: gets the messages that it lacks.
        completion: closes runs that have no pending job.
        unreleased: releases runs that ended and still hold their lock; those of the shard that is swept.
        now: the clock.
        interval: seconds between two passes, `ADSUM_SWEEP_INTERVAL`.
        grace: age from which an open run is checked, `ADSUM_SWEEP_GRACE`. Until then, the process that accepted it
            enqueues it.
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
        """Checks every open run once, and the runs that ended since the position in Redis.

        Returns:
            The number of runs that were closed, rescued or released.
        """
        return await self._sweep_open_runs() + await self._unreleased.release()

    async def _sweep_open_runs(self) -> int:
        """Checks several pages at once: while one waits for the database, another waits for Redis.

        A page may be checked long after it was read. A run that has ended meanwhile needs no care: its chunks are
        missing, and it has no pending job.
        """
        reading = asyncio.Lock()
        async with aclosing(self._pages_of_open_runs()) as pages:

            async def sweep_pages() -> int:
                moved = 0
                while True:
                    async with reading:
                        page = await anext(pages, None)
                    if page is None:
                        return moved
                    moved += await self._sweep_page(page)

            return sum(await all_of(sweep_pages() for _ in range(PAGES_AT_ONCE)))

    async def _pages_of_open_runs(self) -> AsyncGenerator[list[Run]]:
        last, before, most_jobs = None, self._now() - self._grace, PAGE_JOBS // PAGES_AT_ONCE
        while True:
            async with self._database.snapshot() as connection:
                page = await runs.open_runs_after(
                    connection, last, before, self._page, max_jobs=most_jobs, share=self._unreleased.share
                )
            if not page:
                return
            yield page
            last = page[-1].run_id

    async def _sweep_page(self, page: Sequence[Run]) -> int:
        missing = await self._queue.renew_and_find_missing(page)
        suspects = [(run, chunks) for run, chunks in zip(page, missing, strict=True) if chunks]
        if not suspects:
            return 0
        pending = await pending_students_of_runs(self._database, [run for run, _ in suspects])
        finished = [run for run, _ in suspects if run.run_id not in pending]
        return await self._completion.close_finished(finished) + await self._rescue(_stalled_runs(suspects, pending))

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


def _stalled_runs(suspects: Sequence[tuple[Run, list[Chunk]]], pending: Mapping[str, set[int]]) -> list[RunToEnqueue]:
    """The stalled runs among those of which BullMQ lacks chunks.

    A lock, counter or ticket that Redis has lost stalls no run: the worker that finds none lets the database count.
    """
    stalled: list[RunToEnqueue] = []
    for run, missing in suspects:
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
