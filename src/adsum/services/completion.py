"""Complete: a run whose every job has an outcome is closed in the database, and only then its lock goes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from adsum.domain.ids import Batch
from adsum.queue.service import QueuedRun, QueueService
from adsum.storage import runs, tallies
from adsum.storage.database import Database
from adsum.storage.runs import Run
from adsum.storage.tallies import ClosedRun
from adsum.telemetry import Mark, logger

log = logger(__name__)


def queued(run: Run) -> QueuedRun:
    """A run as the queue knows it: without its marks."""
    students = [[job.student_id for job in chunk] for chunk in run.chunks]
    return QueuedRun(run.batch, run.run_id, students, is_cut_by_student=run.chunk_size == 1)


class Completion:
    """Finishes runs. `now` is the clock."""

    def __init__(self, database: Database, queue: QueueService, now: Callable[[], datetime]) -> None:
        self._database = database
        self._queue = queue
        self._now = now

    async def complete(self, batch: Batch, run_id: str, *, is_counted: bool) -> None:
        """Closes a run that may have nothing left to do, and releases its batch.

        Any number of callers may try: one wins the conditional UPDATE, and each releases by compare and delete. The
        lock is released outside the transaction and after it, so that the completion marker implies the database.

        Args:
            batch: whose run it is.
            run_id: the run.
            is_counted: the ledger has counted to zero, so each ticket was taken away. Else the ledger was lost: a
                sweeper may be claiming anew for this run just now, so all tickets of it are released.
        """
        async with self._database.transaction() as connection:
            closed = await tallies.close_run(connection, run_id, self._now())
            endings = {} if closed is not None else await runs.run_endings(connection, [run_id])
            run = None if is_counted else await runs.find_run(connection, run_id)
        held = QueuedRun(batch, run_id, []) if run is None else queued(run)
        if closed is not None:
            self._tell(batch, closed)
            await self._queue.release(held, completed_at=closed.ended_at)
        elif run_id not in endings:  # of before the database was restored: nobody else will ever end it
            await self._queue.release(held, completed_at=None)
        elif endings[run_id].has_ended:
            await self._queue.release(held, completed_at=endings[run_id].completed_at)

    async def has_ended(self, run_id: str) -> bool:
        """Whether the lock of this run may be replaced: asked of the database, for whoever claims a batch."""
        async with self._database.snapshot() as connection:
            return await runs.has_ended(connection, run_id)

    async def close(self, run: Run) -> bool:
        """Closes a run of which the database says that no job is pending, and releases its batch.

        Returns:
            Whether this call closed it.
        """
        async with self._database.transaction() as connection:
            closed = await tallies.close_run(connection, run.run_id, self._now())
        if closed is not None:
            await self.release_closed(run, closed)
        return closed is not None

    async def release_closed(self, run: Run, closed: ClosedRun) -> None:
        """Releases a run that was closed without the ledger having counted to zero: tickets may be left."""
        self._tell(run.batch, closed)
        await self._queue.release(queued(run), completed_at=closed.completed_at)

    def _tell(self, batch: Batch, closed: ClosedRun) -> None:
        """Only the winner tells: so a run completes once in the logs, too."""
        tally = closed.tally
        log.info(
            "batch completed",
            mark=Mark.COMPLETION,
            batch_id=batch.id,
            recorded=tally.recorded,
            skipped=tally.skipped,
            failed=tally.failed,
        )
