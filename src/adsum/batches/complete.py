"""Complete: a run whose every job has an outcome is closed in the database, and only then its lock goes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from adsum.batches.queue.control import process_name
from adsum.batches.queue.ledger import Release
from adsum.batches.queue.service import QueuedRun, QueueService, Stopped
from adsum.batches.repository import closing, runs
from adsum.batches.repository.closing import ClosedRun
from adsum.batches.repository.runs import Run
from adsum.platform.database.engine import Database
from adsum.platform.ids import Batch
from adsum.platform.retries import retry_forever
from adsum.platform.telemetry import LogIcon, logger

log = logger(__name__)


def queued(run: Run) -> QueuedRun:
    """A run as the queue knows it: without its marks."""
    students = [[job.student_id for job in chunk] for chunk in run.chunks]
    return QueuedRun(run.batch, run.run_id, students, is_cut_by_student=run.chunk_size == 1)


def release_of(run: Run, completed_at: datetime | None) -> Release:
    """Frees the batch of a run that ended, naming all of its tickets."""
    return Release(run.batch, run.run_id, [job.student_id for job in run.jobs], completed_at)


@dataclass(frozen=True, slots=True)
class Finishing:
    """A run that may have nothing left to do.

    Attributes:
        batch: whose run it is.
        run_id: the run.
        is_counted: the ledger has counted to zero, so each ticket was taken away. Else the ledger was lost: a sweeper
            may be claiming anew for this run just now, so all tickets of it are released.
    """

    batch: Batch
    run_id: str
    is_counted: bool


@dataclass(frozen=True, slots=True)
class RecordedWhole:
    """A run that one statement recorded and closed, and the students of its jobs: of all that it asked for."""

    batch: Batch
    run: ClosedRun
    student_ids: Sequence[int]


class Completion:
    """Finishes runs. `now` is the clock."""

    def __init__(self, database: Database, queue: QueueService, now: Callable[[], datetime]) -> None:
        self._database = database
        self._queue = queue
        self._now = now

    async def complete(self, finishing: Sequence[Finishing]) -> None:
        """Closes those of these runs that have nothing left to do, and releases their batches; waits out any outage.

        Any number of callers may try: one wins the conditional UPDATE, and each releases by compare and delete. The
        locks are released outside the transaction and after it, so that the completion marker implies the database.
        """
        if not finishing:
            return
        releases = await retry_forever(self._close_those_done, finishing)
        if releases:
            await retry_forever(self._queue.release_all, releases)

    async def _close_those_done(self, finishing: Sequence[Finishing]) -> list[Release]:
        batches = {each.run_id: each.batch for each in finishing}
        endings = await self._close_counting(batches)
        uncounted = endings.keys() & {each.run_id for each in finishing if not each.is_counted}
        known = await self._known(uncounted) if uncounted else {}
        return [
            release_of(known[run_id], completed_at)
            if run_id in known
            else Release(batches[run_id], run_id, [], completed_at)
            for run_id, completed_at in endings.items()
        ]

    async def _close_counting(self, batches: Mapping[str, Batch]) -> dict[str, datetime | None]:
        run_ids = list(batches)
        async with self._database.transaction() as connection:
            closed = await closing.close_runs(connection, run_ids, self._now(), process_name())
            others = [run_id for run_id in run_ids if run_id not in closed]
            over = await runs.runs_over(connection, others) if others else {}
        for run_id, run in closed.items():
            self.tell(batches[run_id], run)
        return over | {run_id: run.completed_at for run_id, run in closed.items()}

    async def release_recorded(self, recorded: Sequence[RecordedWhole]) -> None:
        """Releases the batches of runs that were closed with the last of their records. None of their jobs was settled,
        since nothing is left to be counted.
        """
        if recorded:
            releases = [
                Release(each.batch, each.run.run_id, each.student_ids, each.run.completed_at) for each in recorded
            ]
            await retry_forever(self._queue.release_all, releases)

    async def _known(self, run_ids: Collection[str]) -> dict[str, Run]:
        async with self._database.snapshot() as connection:
            return await runs.find_runs(connection, run_ids)

    async def take_over(self, run: QueuedRun | Stopped, holder: str) -> bool:
        """Gives a run that is queued the lock of the one that holds its batch, if that has ended and this one has not.
        It may end just now, since its messages are there: then the sweeper releases it.

        Returns:
            Whether it has the lock.
        """
        async with self._database.autocommit_read() as connection:
            over = await runs.runs_over(connection, [holder, run.run_id])
        if holder not in over or run.run_id in over:
            return False
        return await self._queue.take_over(Release(run.batch, holder, run.student_ids, over[holder]), run.run_id)

    async def close(self, idle: Sequence[Run]) -> int:
        """Closes runs of which the database says that no job is pending, and releases their batches.

        Returns:
            How many this call closed.
        """
        if not idle:
            return 0
        async with self._database.transaction() as connection:
            closed = await closing.close_runs(connection, [run.run_id for run in idle], self._now(), process_name())
        await self.release_closed([(run, closed[run.run_id]) for run in idle if run.run_id in closed])
        return len(closed)

    async def release_closed(self, ended: Sequence[tuple[Run, ClosedRun]]) -> None:
        """Releases runs that were closed without the ledger having counted to zero: tickets may be left."""
        for run, closed in ended:
            self.tell(run.batch, closed)
        if ended:
            await self._queue.release_all([release_of(run, closed.completed_at) for run, closed in ended])

    def tell(self, batch: Batch, closed: ClosedRun) -> None:
        """Only who closed a run tells of it: so it completes once in the logs, too."""
        tally = closed.tally
        log.info(
            "batch completed",
            mark=LogIcon.COMPLETION,
            batch_id=batch.id,
            recorded=tally.recorded,
            skipped=tally.skipped,
            failed=tally.failed,
        )
