"""Retry: a new run of the students who failed. Cancel: ends the open run of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from uuid6 import uuid7

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.batches.enqueue import Queueing
from adsum.batches.listing import parse_or_refuse, require_status
from adsum.batches.plan import Plan, make_plan
from adsum.batches.repository import closing, jobs, new_runs, runs
from adsum.batches.repository.jobs import JobSlice
from adsum.batches.repository.new_runs import NewRun
from adsum.batches.repository.runs import Run
from adsum.batches.repository.standing import Standing, find_standing
from adsum.batches.rules import BatchStatus, OnExisting, Outcome, RunState, Tally
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import Conflict
from adsum.platform.ids import Batch
from adsum.roster.session_fence import advance_fences


class BatchIsOpen(Conflict):
    """The batch is being processed, so its failures are not final."""

    code = "batch_is_open"


class NothingFailed(Conflict):
    """No student of the newest run failed."""

    code = "nothing_failed"


class RunPruned(Conflict):
    """The plan of the newest run was pruned, so its marks are not known any more."""

    code = "run_pruned"


@dataclass(frozen=True, slots=True)
class _Retried:
    status: BatchStatus
    run: Run


class RetryCancel:
    """Retries and cancels batches. Each is one transaction; the queue is updated after it has committed.

    `chunk_size` is the number of students of one message.
    """

    def __init__(self, database: Database, queueing: Queueing, clock: Clock, *, chunk_size: int) -> None:
        self._database = database
        self._queueing = queueing
        self._clock = clock
        self._chunk_size = chunk_size

    async def retry(self, batch_id: str, caller: Caller) -> BatchStatus:
        """Accepts a run of the students who failed in the newest run; the batch keeps its totals.

        Raises:
            Forbidden: without `batch:operate`.
            NotFound: there is no such batch, or the caller does not see it.
            BatchIsOpen: it is being processed.
            NothingFailed: no student is left to retry.
            RunPruned: the marks of the students who failed are not stored any more.
        """
        require_permission(caller, Permission.BATCH_OPERATE)
        batch = parse_or_refuse(batch_id)
        async with self._database.transaction() as connection:
            fences = await advance_fences(connection, [batch.session_id])
            done = await self._retry(connection, batch, fences, caller)
        await self._queueing.follow(run=done.run)
        return done.status

    async def cancel(self, batch_id: str, caller: Caller) -> BatchStatus:
        """Ends the open run: recorded jobs stay, pending jobs are cancelled. It is idempotent.

        Raises:
            Forbidden: without `batch:operate`.
            NotFound: there is no such batch, or the caller does not see it.
        """
        require_permission(caller, Permission.BATCH_OPERATE)
        batch = parse_or_refuse(batch_id)
        async with self._database.transaction() as connection:
            await require_status(connection, caller, batch)
            open_run = await runs.open_run(connection, batch)
            closed = (
                await closing.cancel_run(connection, open_run.run_id, self._clock()) if open_run is not None else None
            )
            status = await require_status(connection, caller, batch)
        if open_run is not None and closed is not None:
            await self._queueing.follow(run=None, ended=(open_run, closed))
        return status

    async def _retry(self, connection: Connection, batch: Batch, fences: Mapping[int, int], caller: Caller) -> _Retried:
        status = await require_status(connection, caller, batch)
        newest = await runs.newest_run(connection, batch)
        if newest is None or newest.state is RunState.OPEN:
            raise BatchIsOpen(f"batch {batch.id} is being processed", batchId=batch.id)
        if newest.is_pruned and status.tally.failed:
            raise RunPruned(
                f"batch {batch.id} ended so long ago that its plan was pruned: mark those who failed anew",
                batchId=batch.id,
            )
        standing = (await find_standing(connection, [batch]))[batch]
        plan = await _plan_of_failed(connection, newest, status.tally, standing)
        if not plan.jobs:
            raise NothingFailed(_why_nobody(batch, status.tally), batchId=batch.id)
        chunks = tuple(tuple(chunk) for chunk in plan.chunks(self._chunk_size))
        run = Run(str(uuid7()), newest.school_id, batch, RunState.OPEN, self._chunk_size, chunks, self._clock())
        new = NewRun(run, plan, fences[batch.session_id], standing.number, OnExisting.SKIP, caller)
        made = await new_runs.insert_runs(connection, [new])
        # The session fence is held, so the insert cannot lose a race.
        assert made == {run.run_id}
        return _Retried(await require_status(connection, caller, batch), run)


def _why_nobody(batch: Batch, tally: Tally) -> str:
    """Explains why no student is left to retry, and how to record the students without a record."""
    if tally.failed:
        return f"nobody of batch {batch.id} is left to be retried: those who failed have a record by now"
    if tally.cancelled:
        were = "was" if tally.cancelled == 1 else "were"
        return f"nobody of batch {batch.id} failed; {tally.cancelled} {were} cancelled: mark the class again"
    return f"nobody of batch {batch.id} failed"


async def _plan_of_failed(connection: Connection, run: Run, tally: Tally, standing: Standing) -> Plan:
    """The requested marks of the jobs that failed. Students who have a record by now keep it."""
    found = await jobs.outcomes(connection, [JobSlice(run.run_id, number) for number in range(len(run.chunks))])
    failed = {each.student_id for each in found if each.outcome is Outcome.FAILED}
    requested = {job.student_id: job.mark for job in run.jobs if job.student_id in failed}
    plan = make_plan(requested, standing.records, OnExisting.SKIP)
    carried = Tally(recorded=tally.recorded, skipped=tally.skipped, cancelled=tally.cancelled)
    return Plan(plan.jobs, plan.kept, plan.conflicts, carried)
