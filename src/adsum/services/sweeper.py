"""The sweeper: finds open runs that stopped moving, and drives them on. It rebuilds everything from the database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from uuid6 import uuid7

from adsum.errors import Unavailable
from adsum.queue.chunks import Chunk
from adsum.queue.service import QueueService, Stopped
from adsum.services.completion import Completion, queued, release_of
from adsum.services.pruning import Pruning
from adsum.storage import jobs, runs
from adsum.storage.database import Database
from adsum.storage.jobs import JobSlice
from adsum.storage.runs import Run
from adsum.telemetry import Mark, logger

# Runs that are looked at together: one query, one pipeline.
PAGE = 200
# Of large runs fewer: each job is a key in the pipeline.
PAGE_JOBS = 20_000
# Of those that ended, whose size is not known before their plans are read.
RELEASED_AT_ONCE = 10
# A pass takes at most this share of its worker's time, however many runs wait.
SHARE = 0.2
FIRST_RUN_ID = "00000000-0000-0000-0000-000000000000"
OVERLAP = timedelta(seconds=5)

log = logger(__name__)


class Sweeper:
    """One in every worker; one of them leads at a time.

    Args:
        database: the truth.
        queue: what is made to agree with it.
        completion: closes what has nothing left to do.
        now: the clock.
        interval: seconds between two passes.
        grace: a run that was accepted less long ago is still being queued by whoever accepted it.
        lock_ttl: how long a lock lives that nobody renews.
        page: how many runs are looked at together.
    """

    def __init__(
        self,
        database: Database,
        queue: QueueService,
        completion: Completion,
        now: Callable[[], datetime],
        *,
        interval: float,
        grace: timedelta,
        lock_ttl: timedelta,
        page: int = PAGE,
    ) -> None:
        self._database = database
        self._queue = queue
        self._completion = completion
        self._now = now
        self._interval = interval
        self._grace = grace
        self._page = page
        self._name = str(uuid7())
        # The first pass looks as far back as a lock can live.
        self._ended_since = now() - lock_ttl

    async def run(self, stop: asyncio.Event, pruning: Pruning | None = None) -> None:
        """Makes one pass after another until `stop` is set; who leads prunes, too. An outage ends a pass, never the
        sweeper.
        """
        while not stop.is_set():
            began = time.monotonic()
            try:
                if await self.sweep_if_leading() and pruning is not None:
                    await pruning.prune_if_due()
            except Unavailable as error:
                log.error("outage, sweeping later", mark=Mark.ERROR, code=error.code)
            pause = max(self._interval, (time.monotonic() - began) / SHARE)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)

    async def sweep_if_leading(self) -> bool:
        """Makes a pass, unless another one leads; returns whether it did."""
        leads = await self._queue.lead(self._name, 2 * self._interval)
        if leads:
            await self.sweep()
        return leads

    async def sweep(self) -> int:
        """Looks at every open run once, and at those that ended since the last pass.

        Returns:
            How many had to be driven on or released.
        """
        return await self._drive_open_runs() + await self._release_ended_runs()

    async def _drive_open_runs(self) -> int:
        driven, last, before = 0, None, self._now() - self._grace
        while True:
            async with self._database.snapshot() as connection:
                page = await runs.open_runs_after(connection, last, before, self._page, most_jobs=PAGE_JOBS)
            if not page:
                return driven
            driven += await self._sweep_page(page)
            last = page[-1].run_id

    async def _release_ended_runs(self) -> int:
        """Frees what whoever ended a run did not live to free. Clocks differ, so the last moments are seen twice."""
        began, released, place = self._now(), 0, (self._ended_since, FIRST_RUN_ID)
        while True:
            async with self._database.snapshot() as connection:
                page = await runs.runs_ended_after(connection, place, self._page)
            holders = await self._queue.holders([batch for _, _, batch in page])
            held = [run_id for (_, run_id, _), holder in zip(page, holders, strict=True) if holder == run_id]
            for first in range(0, len(held), RELEASED_AT_ONCE):
                released += await self._release(held[first : first + RELEASED_AT_ONCE])
            if len(page) < self._page:
                self._ended_since = began - OVERLAP
                return released
            place = page[-1][:2]

    async def _release(self, run_ids: Sequence[str]) -> int:
        async with self._database.snapshot() as connection:
            found = await runs.find_runs(connection, run_ids)
            endings = await runs.run_endings(connection, run_ids)
        releases = [release_of(found[run_id], endings[run_id].completed_at) for run_id in run_ids]
        return sum(await self._queue.release_all(releases))

    async def _sweep_page(self, page: Sequence[Run]) -> int:
        missing = await self._queue.look_after([queued(run) for run in page])
        stopped = [(run, chunks) for run, chunks in zip(page, missing, strict=True) if chunks]
        if not stopped:
            return 0
        pending = await pending_students(self._database, [run for run, _ in stopped])
        idle = [run for run, _ in stopped if run.run_id not in pending]
        return await self._completion.close(idle) + await self._drive(_lost(stopped, pending))

    async def _drive(self, lost: Sequence[Stopped]) -> int:
        if not lost:
            return 0
        claimed = await self._queue.drive(lost, self._completion.has_ended)
        for run, is_claimed in zip(lost, claimed, strict=True):
            if is_claimed:
                log.info(
                    "run driven on",
                    mark=Mark.LOCK,
                    batch_id=run.batch.id,
                    run_id=run.run_id,
                    chunks=len(run.chunks),
                )
        return sum(claimed)


def _lost(stopped: Sequence[tuple[Run, list[Chunk]]], pending: Mapping[str, set[int]]) -> list[Stopped]:
    """Runs with jobs that nobody will do: pending, in a chunk that BullMQ has not."""
    found: list[Stopped] = []
    for run, missing in stopped:
        due = pending.get(run.run_id, set())
        chunks = [chunk for chunk in missing if any(job.student_id in due for job in run.chunks[chunk.number])]
        if chunks:
            found.append(Stopped(run.batch, run.run_id, sorted(due), chunks))
    return found


async def pending_students(database: Database, stopped: Sequence[Run]) -> dict[str, set[int]]:
    """Of each run that has any, the students whose job has no outcome."""
    slices = [JobSlice(run.run_id, number) for run in stopped for number in range(len(run.chunks))]
    async with database.snapshot() as connection:
        return await jobs.pending(connection, slices)
