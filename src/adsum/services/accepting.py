"""Accept: one transaction from a submission to an open run with its plan. Its COMMIT is the promise to the client."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from uuid6 import uuid7

from adsum.domain.access import Caller, Permission
from adsum.domain.batches import OnExisting, RunState
from adsum.domain.plan import Existing, Plan, make_plan, not_applied, recorded_already
from adsum.domain.selection import Selection
from adsum.domain.submission import BatchResult, Submission, result_of_json
from adsum.errors import Flaw, IdempotencyKeyReused, RecordsExist
from adsum.queue.keys import lock_key
from adsum.services.checking import CheckedSubmission, check
from adsum.services.permissions import demand
from adsum.storage import idempotency, runs, tallies
from adsum.storage.database import Connection, Database, RejectedRows, StorageOutage
from adsum.storage.runs import Run
from adsum.storage.tallies import ClosedRun


@dataclass(frozen=True, slots=True)
class Accepted:
    """What a submission came to.

    Attributes:
        result: the answer.
        run: the run that was made and is now to be queued, or None.
        closed: an open run that had nothing left to do: it was closed, and its lock is to be released.
    """

    result: BatchResult
    run: Run | None = None
    closed: tuple[Run, ClosedRun] | None = None


class Acceptance:
    """Accepts submissions. `now` is the clock; `chunk_size` and `max_batch_size` count students."""

    def __init__(
        self, database: Database, now: Callable[[], datetime], *, chunk_size: int, max_batch_size: int
    ) -> None:
        self._database = database
        self._now = now
        self._chunk_size = chunk_size
        self._max_batch_size = max_batch_size

    async def accept(self, submission: Submission, caller: Caller) -> Accepted:
        """Makes the submission durable, or says why not.

        Raises:
            Forbidden, NotFound, Invalid, RosterChanged, RecordsExist, IdempotencyKeyReused: nothing was written.
            StorageOutage: not known to be accepted; the same request can be sent again.
        """
        demand(caller, Permission.ATTENDANCE_CREATE)
        # Two requests with one idempotency key at once: the insert of the slower one is refused; it finds the other's.
        with suppress(RejectedRows):
            return await self._accept_once(submission, caller)
        return await self._accept_once(submission, caller)

    async def _accept_once(self, submission: Submission, caller: Caller) -> Accepted:
        accepted: Accepted | None = None
        try:
            async with self._database.transaction() as connection:
                accepted = await self._accept_in(connection, submission, caller)
        except StorageOutage:
            # The COMMIT may have come through and only its reply been lost: the run's id tells.
            if accepted is None or accepted.run is None or not await self._is_durable(accepted.run):
                raise
        return accepted

    async def _is_durable(self, run: Run) -> bool:
        async with self._database.snapshot() as connection:
            return bool(await runs.run_endings(connection, [run.run_id]))

    async def _accept_in(self, connection: Connection, submission: Submission, caller: Caller) -> Accepted:
        kept = await self._kept_answer(connection, submission, caller)
        if kept is not None:
            return Accepted(kept)
        now = self._now()
        checked = await check(connection, submission, caller, now=now, max_batch_size=self._max_batch_size)
        await runs.take_turn(connection, checked.batch.session_id)
        accepted = await self._decide(connection, submission, checked, caller, now)
        if submission.idempotency_key is not None:
            key, digest, answer = submission.idempotency_key, submission.digest(), accepted.result.to_json()
            await idempotency.keep_answer(connection, caller.actor, key, digest, answer, now)
        return accepted

    async def _kept_answer(self, connection: Connection, submission: Submission, caller: Caller) -> BatchResult | None:
        if submission.idempotency_key is None:
            return None
        kept = await idempotency.find_answer(connection, caller.actor, submission.idempotency_key)
        if kept is None:
            return None
        if kept.body_digest != submission.digest():
            detail = "this Idempotency-Key was sent before with another body"
            raise IdempotencyKeyReused(detail, [Flaw(IdempotencyKeyReused.code, detail)])
        return result_of_json(kept.answer)

    async def _decide(
        self,
        connection: Connection,
        submission: Submission,
        checked: CheckedSubmission,
        caller: Caller,
        now: datetime,
    ) -> Accepted:
        standing = await runs.open_run(connection, checked.batch)
        closed = await _closed(connection, standing, now) if standing is not None else None
        existing = await runs.existing_records(connection, checked.batch)
        if standing is not None and closed is None:
            return Accepted(_skipped(checked, standing, existing))
        accepted = await self._plan_run(connection, submission, checked, existing, caller, now)
        return replace(accepted, closed=(standing, closed)) if standing is not None and closed is not None else accepted

    async def _plan_run(
        self,
        connection: Connection,
        submission: Submission,
        checked: CheckedSubmission,
        existing: dict[int, Existing],
        caller: Caller,
        now: datetime,
    ) -> Accepted:
        if submission.on_existing is OnExisting.FAIL:
            _refuse_recorded(submission.selection, checked, existing)
        plan = make_plan(checked.requested, existing, submission.on_existing)
        if not plan.jobs:
            newest = await runs.newest_run(connection, checked.batch)
            return Accepted(_nothing_to_do(checked, plan, newest))
        chunks = tuple(tuple(chunk) for chunk in plan.chunks(self._chunk_size))
        run = Run(str(uuid7()), checked.school_id, checked.batch, RunState.OPEN, self._chunk_size, chunks, now)
        await runs.insert_run(connection, run, plan, on_existing=submission.on_existing, caller=caller)
        return Accepted(_initiated(checked, plan, run), run)


def _refuse_recorded(selection: Selection, checked: CheckedSubmission, existing: dict[int, Existing]) -> None:
    recorded = recorded_already(checked.requested, existing)
    if not recorded:
        return
    pointers = {student_id: pointer for pointer, student_id in selection.mentioned}
    flaws = [
        Flaw("already_recorded", f"student {i} has a record", pointers.get(i, "/isSelectedAll"), {"studentId": i})
        for i in recorded
    ]
    raise RecordsExist(f"{len(recorded)} of {len(checked.requested)} students have a record already", flaws)


def _initiated(checked: CheckedSubmission, plan: Plan, run: Run) -> BatchResult:
    return BatchResult(
        batch_id=checked.batch.id,
        run_id=run.run_id,
        total_jobs=plan.total,
        added_jobs=len(plan.jobs),
        skipped_jobs=len(plan.kept),
        lock_key=lock_key(checked.batch.id),
        message=f"Batch processing initiated for {len(plan.jobs)} attendances",
        is_new_run=True,
        is_skipped=False,
        conflicts=plan.conflicts,
    )


def _nothing_to_do(checked: CheckedSubmission, plan: Plan, newest: Run | None) -> BatchResult:
    return BatchResult(
        batch_id=checked.batch.id,
        run_id=newest.run_id if newest is not None else None,
        total_jobs=plan.total,
        added_jobs=0,
        skipped_jobs=plan.total,
        lock_key=lock_key(checked.batch.id),
        message=f"Nothing to do: all {plan.total} attendances are recorded already",
        is_new_run=False,
        is_skipped=False,
        conflicts=plan.conflicts,
    )


async def _closed(connection: Connection, standing: Run, now: datetime) -> ClosedRun | None:
    return (await tallies.close_runs(connection, [standing.run_id], now)).get(standing.run_id)


def _skipped(checked: CheckedSubmission, standing: Run, existing: dict[int, Existing]) -> BatchResult:
    being_recorded = {
        job.student_id: Existing(job.mark.status, job.mark.note)
        for job in standing.jobs
        # A record that is beyond what the job saw is what stands: the run has written it, or somebody corrected it.
        if job.student_id not in existing or existing[job.student_id].version == job.version
    }
    number = len(checked.requested)
    return BatchResult(
        batch_id=checked.batch.id,
        run_id=standing.run_id,
        total_jobs=number,
        added_jobs=0,
        skipped_jobs=number,
        lock_key=lock_key(checked.batch.id),
        message="Batch is already being processed",
        is_new_run=False,
        is_skipped=True,
        conflicts=not_applied(checked.requested, existing | being_recorded),
    )
