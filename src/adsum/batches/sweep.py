"""The sweeper: finds open runs that stopped moving, and drives them on. It rebuilds everything from the database."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TypeAlias

from uuid6 import uuid7

from adsum.batches.complete import Completion, queued
from adsum.batches.queue.chunks import Chunk
from adsum.batches.queue.service import QueueService, Stopped
from adsum.batches.repository import jobs, runs
from adsum.batches.repository.jobs import JobSlice
from adsum.batches.repository.runs import Run
from adsum.batches.unreleased_runs import UnreleasedRuns
from adsum.platform.database.engine import Database
from adsum.platform.errors import Unavailable
from adsum.platform.telemetry import LogIcon, logger

# Runs that are looked at together: one query, one pipeline.
PAGE = 200
# Of large runs fewer: each job is a key in the pipeline.
PAGE_JOBS = 20_000
# A pass takes at most this share of its worker's time, however many runs wait.
SHARE = 0.2

Chore: TypeAlias = Callable[[], Awaitable[object]]
"""What somebody has to do now and then: it knows itself whether anything is due."""

log = logger(__name__)


class Sweeper:
    """One in every worker; one of them leads at a time.

    Args:
        database: the truth.
        queue: what is made to agree with it.
        completion: closes what has nothing left to do.
        unreleased: releases what ended and still holds its lock.
        now: the clock.
        interval: seconds between two passes.
        grace: a run that was accepted less long ago is still being queued by whoever accepted it.
        page: how many runs are looked at together.
    """

    def __init__(
        self,
        database: Database,
        queue: QueueService,
        completion: Completion,
        unreleased: UnreleasedRuns,
        now: Callable[[], datetime],
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
        self._name = str(uuid7())

    async def run(self, stop: asyncio.Event, chores: Sequence[Chore] = ()) -> None:
        """Makes one pass after another until `stop` is set; who leads does the chores, too. An outage ends a pass,
        never the sweeper.
        """
        while not stop.is_set():
            began = time.monotonic()
            try:
                if await self.sweep_if_leading():
                    for chore in chores:
                        await chore()
            except Unavailable as error:
                log.error("outage, sweeping later", mark=LogIcon.ERROR, code=error.code)
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
        return await self._drive_open_runs() + await self._unreleased.release()

    async def _drive_open_runs(self) -> int:
        driven, last, before = 0, None, self._now() - self._grace
        while True:
            async with self._database.snapshot() as connection:
                page = await runs.open_runs_after(connection, last, before, self._page, most_jobs=PAGE_JOBS)
            if not page:
                return driven
            driven += await self._sweep_page(page)
            last = page[-1].run_id

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
        driven = 0
        for run, holder in zip(lost, await self._queue.drive(lost), strict=True):
            if holder is not None and not await self._completion.take_over(run, holder):
                continue
            log.info(
                "run driven on",
                mark=LogIcon.LOCK,
                batch_id=run.batch.id,
                run_id=run.run_id,
                chunks=len(run.chunks),
            )
            driven += 1
        return driven


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
