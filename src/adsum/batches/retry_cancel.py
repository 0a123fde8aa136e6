"""Retry: a new run of the students who failed. Cancel: ends the open run of a batch.

A retry records nobody twice. It is decided under the fence of the session, so that no other run opens meanwhile, and
leaves out students who have a record by now. Its run only inserts: a record that is written before the run is processed
stays, and the job is skipped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from uuid6 import uuid7

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.batches.enqueue import Enqueuer
from adsum.batches.listing import parse_or_refuse, require_status
from adsum.batches.repository import jobs, runs
from adsum.batches.repository.jobs import JobSlice
from adsum.batches.repository.submissions import BatchSnapshot, load_snapshots
from adsum.batches.rules import BatchStatus, OnExisting, Outcome, RunState, Tally
from adsum.batches.run import Plan, Run, make_plan
from adsum.platform.clock import Clock
from adsum.platform.database.answers import KeyedRequest, claim_key, store_result
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import Conflict
from adsum.platform.ids import Batch
from adsum.platform.tracing.spans import context_of_work
from adsum.roster.session_fence import advance_fences


class BatchIsOpen(Conflict):
    """The batch is being processed, so its failures are not final."""

    code = "batch_is_open"


class NothingFailed(Conflict):
    """No student of the newest run failed."""

    code = "nothing_failed"


class RunPruned(Conflict):
    """The plan of the newest run was pruned, so its marks are no longer stored."""

    code = "run_pruned"


@dataclass(frozen=True, slots=True)
class _Retried:
    status: BatchStatus
    run: Run


class RetryCancel:
    """Retries and cancels batches. Each is one transaction; the queue is updated after it has committed.

    `chunk_size` is the number of students of one message.
    """

    def __init__(self, database: Database, enqueuer: Enqueuer, now: Clock, *, chunk_size: int) -> None:
        self._database = database
        self._enqueuer = enqueuer
        self._now = now
        self._chunk_size = chunk_size

    async def retry(self, batch_id: str, caller: Caller, keyed: KeyedRequest[BatchStatus] | None = None) -> BatchStatus:
        """Accepts a run of the students who failed in the newest run; the batch keeps its totals.

        Raises:
            Forbidden: without `batch:operate`.
            NotFound: there is no such batch, or the caller does not see it.
            BatchIsOpen: it is being processed.
            NothingFailed: no student is left to retry, or the batch was undone.
            RunPruned: the marks of the students who failed are no longer stored.
        """
        require_permission(caller, Permission.BATCH_OPERATE)
        batch = parse_or_refuse(batch_id)
        async with self._database.transaction() as connection:
            await claim_key(connection, keyed)
            fences = await advance_fences(connection, [batch.session_id])
            done = await self._retry(connection, batch, fences, caller)
            await store_result(connection, keyed, done.status)
        await self._enqueuer.enqueue_after_commit(done.run)
        return done.status

    async def cancel(
        self, batch_id: str, caller: Caller, keyed: KeyedRequest[BatchStatus] | None = None
    ) -> BatchStatus:
        """Ends the open run: recorded jobs stay, pending jobs are cancelled. It is idempotent.

        Raises:
            Forbidden: without `batch:operate`.
            NotFound: there is no such batch, or the caller does not see it.
        """
        require_permission(caller, Permission.BATCH_OPERATE)
        batch = parse_or_refuse(batch_id)
        async with self._database.transaction() as connection:
            await claim_key(connection, keyed)
            await require_status(connection, caller, batch)
            open_run = await runs.open_run(connection, batch)
            ended = await runs.cancel_run(connection, open_run, self._now()) if open_run is not None else None
            status = await require_status(connection, caller, batch)
            await store_result(connection, keyed, status)
        await self._enqueuer.enqueue_after_commit(None, ended=ended)
        return status

    async def _retry(self, connection: Connection, batch: Batch, fences: Mapping[int, int], caller: Caller) -> _Retried:
        status = await require_status(connection, caller, batch)
        newest = await runs.newest_run(connection, batch)
        if newest is None or newest.state is RunState.OPEN:
            raise BatchIsOpen(f"batch {batch.id} is being processed", batchId=batch.id)
        if status.undone_at is not None:
            raise NothingFailed(f"batch {batch.id} was undone: mark the class again", batchId=batch.id)
        if newest.is_pruned and status.tally.failed:
            raise RunPruned(
                f"batch {batch.id} was pruned, and its marks are no longer stored: mark the failed students again",
                batchId=batch.id,
            )
        snapshot = (await load_snapshots(connection, [batch]))[batch]
        plan = await _plan_of_failed(connection, newest, status.tally, snapshot)
        if not plan.jobs:
            raise NothingFailed(_explain_nothing_to_retry(batch, status.tally), batchId=batch.id)
        run = self._new_run(newest, plan, snapshot.number + 1, caller)
        inserted = await runs.insert_runs(connection, [run], fences)
        assert inserted == {run.run_id}, "the state changed although the transaction holds the fence"
        return _Retried(await require_status(connection, caller, batch), run)

    def _new_run(self, failed: Run, plan: Plan, number: int, caller: Caller) -> Run:
        return Run(
            run_id=str(uuid7()),
            school_id=failed.school_id,
            batch=failed.batch,
            number=number,
            state=RunState.OPEN,
            on_existing=OnExisting.SKIP,
            chunk_size=self._chunk_size,
            chunks=plan.chunks(self._chunk_size),
            kept=plan.kept,
            carried=plan.carried,
            accepted_at=self._now(),
            accepted_role=caller.role,
            user_id=caller.user_id,
            key_id=caller.key_id,
            trace=context_of_work(),
        )


def _explain_nothing_to_retry(batch: Batch, tally: Tally) -> str:
    """Explains why no student is left to retry, and how to record the students without a record."""
    if tally.failed:
        return f"batch {batch.id} has no student to retry: those who failed have a record by now"
    if tally.cancelled:
        were = "was" if tally.cancelled == 1 else "were"
        return f"no student of batch {batch.id} failed; {tally.cancelled} {were} cancelled: mark the class again"
    return f"no student of batch {batch.id} failed"


async def _plan_of_failed(connection: Connection, run: Run, tally: Tally, snapshot: BatchSnapshot) -> Plan:
    """The requested marks of the jobs that failed. Students who have a record by now keep it."""
    found = await jobs.job_outcomes(connection, [JobSlice(run.run_id, number) for number in range(len(run.chunks))])
    failed = {student_id for (_, student_id), outcome in found.items() if outcome is Outcome.FAILED}
    requested = {job.student_id: job.mark for job in run.jobs if job.student_id in failed}
    plan = make_plan(requested, snapshot.records, OnExisting.SKIP)
    carried = Tally(recorded=tally.recorded, skipped=tally.skipped, cancelled=tally.cancelled)
    return Plan(plan.jobs, plan.kept, plan.conflicts, carried)
