"""What people may do about a batch: retry what failed, cancel what is not processed yet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from uuid6 import uuid7

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.batches.enqueue import Queueing
from adsum.batches.listing import no_batch
from adsum.batches.plan import Plan, make_plan
from adsum.batches.repository import closing, jobs, new_runs, runs, tallies
from adsum.batches.repository.jobs import JobSlice
from adsum.batches.repository.new_runs import NewRun
from adsum.batches.repository.runs import Run
from adsum.batches.repository.standing import Standing, find_standing
from adsum.batches.rules import BatchStatus, OnExisting, Outcome, RunState, Tally
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import Conflict
from adsum.platform.ids import Batch, parse_batch_id
from adsum.roster.session_fence import advance_fences


class BatchIsOpen(Conflict):
    """The batch is being processed: what fails of it is not known yet."""

    code = "batch_is_open"


class NothingFailed(Conflict):
    """No student of the newest run failed."""

    code = "nothing_failed"


class RunPruned(Conflict):
    """The newest run ended so long ago that what it asked for is not kept any more: the class can be marked anew."""

    code = "run_pruned"


@dataclass(frozen=True, slots=True)
class _Retried:
    status: BatchStatus
    run: Run


class RetryCancel:
    """Each is one transaction, and then the queue is told. `now` is the clock; `chunk_size` counts students."""

    def __init__(self, database: Database, queueing: Queueing, now: Callable[[], datetime], *, chunk_size: int) -> None:
        self._database = database
        self._queueing = queueing
        self._now = now
        self._chunk_size = chunk_size

    async def retry(self, batch_id: str, caller: Caller) -> BatchStatus:
        """Makes a run of those students of the newest run who failed; the batch keeps its totals.

        Raises:
            Forbidden: without `batch:operate`.
            NotFound: there is no such batch, or the caller does not see it.
            BatchIsOpen: it is being processed. NothingFailed: there is nobody to retry. RunPruned: nobody knows whom.
        """
        batch = _parsed(batch_id, caller)
        async with self._database.transaction() as connection:
            fences = await advance_fences(connection, [batch.session_id])
            done = await self._retry(connection, batch, fences, caller)
        await self._queueing.follow(run=done.run)
        return done.status

    async def cancel(self, batch_id: str, caller: Caller) -> BatchStatus:
        """Ends the open run: what is recorded stays, what is not processed yet is cancelled. Twice is once.

        Raises:
            Forbidden: without `batch:operate`.
            NotFound: there is no such batch, or the caller does not see it.
        """
        batch = _parsed(batch_id, caller)
        async with self._database.transaction() as connection:
            await _status(connection, batch, caller)
            standing = await runs.open_run(connection, batch)
            closed = (
                await closing.cancel_run(connection, standing.run_id, self._now()) if standing is not None else None
            )
            status = await _status(connection, batch, caller)
        if standing is not None and closed is not None:
            await self._queueing.follow(run=None, ended=(standing, closed))
        return status

    async def _retry(self, connection: Connection, batch: Batch, fences: Mapping[int, int], caller: Caller) -> _Retried:
        status = await _status(connection, batch, caller)
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
        run = Run(str(uuid7()), newest.school_id, batch, RunState.OPEN, self._chunk_size, chunks, self._now())
        new = NewRun(run, plan, fences[batch.session_id], standing.number, OnExisting.SKIP, caller)
        made = await new_runs.insert_runs(connection, [new])
        # The turn is taken, so nothing has happened since.
        assert made == {run.run_id}
        return _Retried(await _status(connection, batch, caller), run)


def _why_nobody(batch: Batch, tally: Tally) -> str:
    """Why nobody is left to be retried, and what to do about those who are not recorded all the same."""
    if tally.failed:
        return f"nobody of batch {batch.id} is left to be retried: those who failed have a record by now"
    if tally.cancelled:
        were = "was" if tally.cancelled == 1 else "were"
        return f"nobody of batch {batch.id} failed; {tally.cancelled} {were} cancelled: mark the class again"
    return f"nobody of batch {batch.id} failed"


async def _plan_of_failed(connection: Connection, run: Run, tally: Tally, standing: Standing) -> Plan:
    """The marks that failed, as they were asked; who has a record by now keeps it."""
    found = await jobs.outcomes(connection, [JobSlice(run.run_id, number) for number in range(len(run.chunks))])
    failed = {each.student_id for each in found if each.outcome is Outcome.FAILED}
    requested = {job.student_id: job.mark for job in run.jobs if job.student_id in failed}
    plan = make_plan(requested, standing.records, OnExisting.SKIP)
    carried = Tally(recorded=tally.recorded, skipped=tally.skipped, cancelled=tally.cancelled)
    return Plan(plan.jobs, plan.kept, plan.conflicts, carried)


async def _status(connection: Connection, batch: Batch, caller: Caller) -> BatchStatus:
    status = await tallies.batch_status(connection, caller, batch)
    if status is None:
        raise no_batch(batch.id)
    return status


def _parsed(batch_id: str, caller: Caller) -> Batch:
    require_permission(caller, Permission.BATCH_OPERATE)
    batch = parse_batch_id(batch_id)
    if batch is None:
        raise no_batch(batch_id)
    return batch
