"""Completes runs: a run whose every job has an outcome is closed in the database, and then its lock is released.

A run that is recorded whole is closed by the statement that writes its last record (`jobs.record_jobs`), every other
run here. The order makes the completion marker in Redis imply the closed run in the database, never the other way
round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from adsum.batches.queue.ledger import Ledger, Tickets
from adsum.batches.queue.service import RunToEnqueue
from adsum.batches.repository import runs
from adsum.batches.repository.jobs import SliceOutcome
from adsum.batches.rules import RunState, Tally
from adsum.batches.run import Run
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.platform.ids import Batch
from adsum.platform.redis.queues import process_name
from adsum.platform.retries import retry_forever
from adsum.platform.telemetry import LogIcon, logger
from adsum.platform.tracing.spans import step

log = logger(__name__)


def tickets_of(run: Run, completed_at: datetime | None) -> Tickets:
    """All tickets of a run that has ended."""
    return Tickets(run.batch, run.run_id, run.student_ids, completed_at)


class Completion:
    """Closes and releases runs. `now` is the clock."""

    def __init__(self, database: Database, ledger: Ledger, now: Clock) -> None:
        self._database = database
        self._ledger = ledger
        self._now = now

    async def complete(self, counted: Mapping[str, Batch], uncounted: Mapping[str, Batch]) -> None:
        """Closes the runs that have no pending job, and releases their batches; retries during any outage.

        Any number of callers may try: one wins the conditional UPDATE, and each releases by compare and delete.

        Args:
            counted: runs, with their batches, whose counter in the ledger is zero: none of their tickets is left.
            uncounted: runs whose ledger was lost. A sweeper may be claiming for them just now, so that all of their
                tickets are released.
        """
        if not counted and not uncounted:
            return
        releases = await retry_forever(self._close_without_pending, counted, uncounted)
        if releases:
            await retry_forever(self._ledger.release_all, releases)

    async def _close_without_pending(
        self, counted: Mapping[str, Batch], uncounted: Mapping[str, Batch]
    ) -> list[Tickets]:
        ended = await self._close({**counted, **uncounted})
        loaded: Mapping[str, Run] = {}
        if not ended.keys().isdisjoint(uncounted):
            async with self._database.snapshot() as connection:
                loaded = await runs.find_runs(connection, ended.keys() & uncounted.keys())
        return [
            tickets_of(loaded[run_id], completed_at)
            if run_id in loaded
            else Tickets((counted.get(run_id) or uncounted[run_id]), run_id, [], completed_at)
            for run_id, completed_at in ended.items()
        ]

    async def _close(self, batches: Mapping[str, Batch]) -> dict[str, datetime | None]:
        """Those of these runs that have ended, and when each completed."""
        run_ids, now = list(batches), self._now()
        with step("complete", self._database.span_attributes, kind="client", run_ids=run_ids):
            async with self._database.transaction() as connection:
                closed = await runs.close_runs(connection, run_ids, now, process_name())
                others = [run_id for run_id in run_ids if run_id not in closed]
                ended = await runs.find_ended(connection, others) if others else {}
        for run_id, tally in closed.items():
            self.log_completed(batches[run_id], tally)
        return ended | dict.fromkeys(closed, now)

    async def release_recorded(self, outcomes: Sequence[SliceOutcome]) -> None:
        """Releases the batches of runs that were closed by the statement that recorded their last job. Their jobs are
        not settled, since nothing is left to count.
        """
        if outcomes:
            releases = [Tickets(each.batch, each.run_id, each.ended, each.closed_at) for each in outcomes]
            await retry_forever(self._ledger.release_all, releases)

    async def take_over(self, run: Run | RunToEnqueue, holder: str) -> bool:
        """Gives the lock of a batch from a run that has ended to an enqueued run that has not.

        That run may end just now, since its messages are queued: then the sweeper releases the lock.

        Returns:
            Whether `run` holds the lock.
        """
        async with self._database.autocommit_read() as connection:
            ended = await runs.find_ended(connection, [holder, run.run_id])
        if holder not in ended or run.run_id in ended:
            return False
        return await self._ledger.take_over(Tickets(run.batch, holder, run.student_ids, ended[holder]), run.run_id)

    async def close_finished(self, finished: Sequence[Run]) -> int:
        """Closes runs that have no pending job by the database, and releases their batches.

        Returns:
            How many this call closed.
        """
        if not finished:
            return 0
        now = self._now()
        async with self._database.transaction() as connection:
            closed = await runs.close_runs(connection, [run.run_id for run in finished], now, process_name())
        await self.release_ended(
            [run.ended(RunState.CLOSED, closed[run.run_id], now) for run in finished if run.run_id in closed]
        )
        return len(closed)

    async def release_ended(self, ended: Sequence[Run]) -> None:
        """Releases runs that this process has ended while the counter was not zero: tickets may be left."""
        for run in ended:
            assert run.tally is not None, "the run has not ended in this process"
            self.log_completed(run.batch, run.tally)
        if ended:
            await self._ledger.release_all([tickets_of(run, run.completed_at) for run in ended])

    def log_completed(self, batch: Batch, tally: Tally) -> None:
        """Logs the completion of a batch. Only the process that closed its run calls this: logged once."""
        log.info(
            "batch completed",
            mark=LogIcon.COMPLETION,
            batch_id=batch.id,
            recorded=tally.recorded,
            skipped=tally.skipped,
            failed=tally.failed,
        )
