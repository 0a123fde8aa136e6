"""Accepts submissions: open runs with their plans, in one commit. The commit is the promise to the client.

Submissions that arrive together are accepted together: their state is read and decided without a lock, and one
statement (`sql/insert_runs.*.sql`) inserts all runs. The fences of the sessions make that safe: a run is inserted only
if nothing has changed since its state was read, and a unique index allows one open run per batch. The others are
decided again, each alone, in a transaction that holds the fence.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

from uuid6 import uuid7

from adsum.absences.precedence import Precedence
from adsum.absences.rules import absences_of_session
from adsum.accounts.access import Caller, Permission, require_permission
from adsum.attendance.disputed_marks.repository import add_disputed_marks
from adsum.attendance.rules import DisputedMark, Mark
from adsum.attendance.statuses.repository import find_statuses
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.batches.repository import runs
from adsum.batches.repository.submissions import BatchSnapshot, close_finished, load_open_runs
from adsum.batches.rules import OnExisting, RunState
from adsum.batches.run import Plan, Run, changed_marks, conflicts_with_run, make_plan
from adsum.batches.submission import BatchResult, Submission, first_result
from adsum.batches.validate import CheckedSubmission, Request, check_submissions, refuse_recorded, snapshots_of
from adsum.platform.clock import Clock
from adsum.platform.coalescer import REFUSE_AFTER_S, REQUESTS_AT_MOST, WAITING_AT_MOST, Coalescer
from adsum.platform.database.answers import AnswerKey, StoredAnswer, find_answers, store_answers
from adsum.platform.database.engine import Connection, Database, RejectedRows, StorageOutage
from adsum.platform.errors import AdsumError, caught
from adsum.platform.ids import Batch
from adsum.platform.tracing.spans import context_of_work, step
from adsum.roster.session_fence import advance_fences

# Maximum number of marks that are accepted together: other submissions wait meanwhile.
MARKS_AT_MOST = 32_000


@dataclass(frozen=True, slots=True)
class Accepted:
    """The outcome of a submission.

    Attributes:
        result: the answer.
        run: the run that was inserted and has to be enqueued, or None.
        ended: a finished run of the batch that was closed before, and whose lock has to be released.
    """

    result: BatchResult
    run: Run | None = None
    ended: Run | None = None


_Outcome: TypeAlias = Accepted | AdsumError | None
"""None: the state has changed since it was read, or may change: the submission needs the fence of its session."""


class TooManyMarks(Exception):
    """More than `MARKS_AT_MOST`: the coalescer submits them again in halves."""


class Acceptance:
    """Accepts submissions. `now` is the clock; `chunk_size` and `max_batch_size` count students."""

    def __init__(self, database: Database, now: Clock, *, chunk_size: int, max_batch_size: int) -> None:
        self._database = database
        self._now = now
        self._chunk_size = chunk_size
        self._max_batch_size = max_batch_size
        self._together: Coalescer[Request, _Outcome] = Coalescer(
            self._accept_together,
            at_most=REQUESTS_AT_MOST,
            waiting_at_most=WAITING_AT_MOST,
            refuse_after=REFUSE_AFTER_S,
        )

    async def accept(self, submission: Submission, caller: Caller) -> Accepted:
        """Makes a submission durable.

        Raises:
            Forbidden, NotFound, Invalid, RosterChanged, RecordsExist, IdempotencyKeyReused: nothing was written.
            StorageOutage: not known to be accepted; the client can send the same request again.
            Overloaded: not accepted; too many submissions wait already.
        """
        require_permission(caller, Permission.ATTENDANCE_CREATE)
        # Of two requests with one idempotency key, the database rejects the slower; then it finds the stored answer.
        request = Request(submission, caller, context_of_work())
        with suppress(RejectedRows):
            return await self._accept_once(request)
        return await self._accept_once(request)

    async def preview(self, requested: Sequence[Submission], caller: Caller) -> list[Accepted | AdsumError]:
        """The current outcome of each submission, or its error. Writes nothing and promises nothing.

        The submissions are of different batches, and have at most `MARKS_AT_MOST` marks together, or are one.

        Raises:
            Forbidden: without `attendance:create`.
        """
        require_permission(caller, Permission.ATTENDANCE_CREATE)
        requests = [Request(submission, caller) for submission in requested]
        async with self._database.snapshot() as connection:
            decisions = await self._read_and_decide(connection, requests, reads_answers=False)
        return [decisions.with_changes(outcome) for _, outcome in decisions.outcomes]

    async def close(self) -> None:
        """Cancels the running flush and the waiting submissions. Call it after the last one was submitted."""
        await self._together.close()

    async def _accept_once(self, request: Request) -> Accepted:
        outcome = await self._together.submit(request)
        if outcome is None:
            outcome = await self._accept_alone(request)
        if isinstance(outcome, AdsumError):
            raise outcome
        return outcome

    async def _accept_together(self, requests: Sequence[Request]) -> list[_Outcome]:
        """Reads and decides without a transaction, then writes: no submission waits for a lock with the others.

        The fence of a session is read with the state of its batch, or before it: a run is inserted only if its fence is
        unchanged.
        """
        with step("validate", {"adsum.group_size": len(requests)}):
            async with self._database.autocommit_read() as connection:
                decisions = await self._read_and_decide(connection, requests)
        decisions.drop(decisions.batches_that_need_fences())
        await self._write_together(decisions)
        return decisions.final_outcomes()

    async def _write_together(self, decisions: Decisions) -> None:
        if decisions.has_only_runs and not decisions.runs:
            return
        writing = self._database.autocommit_write if decisions.has_only_runs else self._database.transaction
        try:
            with step("commit", self._database.span_attributes, kind="client"):
                async with writing() as connection:
                    await decisions.write(connection)
        except StorageOutage:
            if not await self._is_committed(decisions):
                raise

    async def _accept_alone(self, request: Request) -> Accepted | AdsumError:
        """Accepts a submission in a transaction that holds the fence of its session, which may have to wait for it."""
        decisions: Decisions | None = None
        try:
            with step("validate and commit", self._database.span_attributes, kind="client"):
                async with self._database.transaction() as connection:
                    await advance_fences(connection, [request.submission.session_id])
                    # If the submission is then refused, the sweeper releases the lock of a run that this closes.
                    decisions = await self._read_and_decide(connection, [request], closes_finished=True)
                    await decisions.write(connection)
        except StorageOutage:
            if decisions is None or not await self._is_committed(decisions):
                raise
        (outcome,) = decisions.final_outcomes()
        assert outcome is not None, "the state changed although the transaction holds the fence"
        return outcome

    async def _read_and_decide(
        self,
        connection: Connection,
        requests: Sequence[Request],
        *,
        closes_finished: bool = False,
        reads_answers: bool = True,
    ) -> Decisions:
        now = self._now()
        keys = {key for each in requests if reads_answers and (key := _answer_key(each)) is not None}
        stored = await find_answers(connection, keys) if keys else {}
        checks = await check_submissions(connection, requests, now=now, max_batch_size=self._max_batch_size)
        checked = [each for each in checks if isinstance(each, CheckedSubmission)]
        _refuse_too_many_marks(checked)
        snapshots = await load_open_runs(connection, snapshots_of(checked))
        if closes_finished:
            snapshots = await close_finished(connection, snapshots, now)
        statuses = await _find_statuses(connection, checked, snapshots)
        decisions = Decisions(snapshots, statuses, stored, now, self._chunk_size)
        for request, check in zip(requests, checks, strict=True):
            decisions.add(request, check)
        return decisions

    async def _is_committed(self, decisions: Decisions) -> bool:
        """Whether only the reply to the COMMIT was lost. Drops the batches whose run was not inserted."""
        if not decisions.runs:
            return False
        async with self._database.autocommit_read() as connection:
            found = await runs.find_endings(connection, [run.run_id for run in decisions.runs.values()])
            await self._database.wait_for_standby(connection)
        decisions.keep_inserted(found.keys())
        return bool(found)


def _refuse_too_many_marks(checked: Sequence[CheckedSubmission]) -> None:
    if len(checked) > 1 and sum(len(each.requested) for each in checked) > MARKS_AT_MOST:
        raise TooManyMarks


async def _find_statuses(
    connection: Connection, checked: Sequence[CheckedSubmission], snapshots: Mapping[Batch, BatchSnapshot]
) -> Mapping[int, SchoolStatuses]:
    """The statuses of schools with marks of the office, by school. Elsewhere it does not matter how a status counts."""
    schools = {each.context.school_id for each in checked if snapshots[each.batch].has_office_marks}
    return await find_statuses(connection, schools) if schools else {}


def _answer_key(request: Request) -> AnswerKey | None:
    """The key under which the answer to a submission is stored, if it has one."""
    key = request.submission.idempotency_key
    return None if key is None else AnswerKey(request.caller.actor, key)


class Decisions:
    """Decides submissions one after the other, each with the decisions before it, and writes the result.

    Attributes:
        runs: the runs to insert.
        outcomes: of each submission, in their order, with the id of the batch that it is about.
    """

    def __init__(
        self,
        snapshots: Mapping[Batch, BatchSnapshot],
        statuses: Mapping[int, SchoolStatuses],
        stored: Mapping[AnswerKey, StoredAnswer],
        now: datetime,
        chunk_size: int,
    ) -> None:
        self._snapshots = snapshots
        self._statuses = statuses
        self._stored = stored
        self._now = now
        self._chunk_size = chunk_size
        self.runs: dict[Batch, Run] = {}
        self.outcomes: list[tuple[str | None, Accepted | AdsumError]] = []
        self._fences: dict[int, int] = {}
        self._disputed: list[DisputedMark] = []
        self._answers: dict[AnswerKey, tuple[Batch, StoredAnswer]] = {}
        self._dropped: set[Batch] = set()

    def add(self, request: Request, check: CheckedSubmission | AdsumError) -> None:
        """Decides one more submission."""
        outcome = caught(self._decide, request, check)
        if isinstance(outcome, Accepted):  # a stored answer may be about a batch whose check now fails
            self.outcomes.append((outcome.result.batch_id, outcome))
        else:
            self.outcomes.append((check.batch.id if isinstance(check, CheckedSubmission) else None, outcome))

    def final_outcomes(self) -> list[_Outcome]:
        """The outcome of each submission; None where its batch was dropped."""
        dropped = {batch.id for batch in self._dropped}
        return [None if batch_id in dropped else outcome for batch_id, outcome in self.outcomes]

    def with_changes(self, outcome: Accepted | AdsumError) -> Accepted | AdsumError:
        """The outcome with the records that its run would correct, for a preview."""
        if isinstance(outcome, AdsumError) or outcome.run is None:
            return outcome
        changes = changed_marks(outcome.run.jobs, self._snapshots[outcome.run.batch].records)
        return replace(outcome, result=replace(outcome.result, changes=changes))

    @property
    def has_only_runs(self) -> bool:
        """Whether nothing but runs is written, which takes one statement."""
        return not self._disputed and not self._answers

    def batches_that_need_fences(self) -> set[Batch]:
        """Batches that cannot be written without holding the fence: a finished run has to be closed first, or something
        is written without a run, whose insertion would check the fence.
        """
        written = {*(each.batch for each in self._disputed), *(batch for batch, _ in self._answers.values())}
        finished = {batch for batch, each in self._snapshots.items() if each.is_finished}
        return finished | written.difference(self.runs)

    def drop(self, batches: Collection[Batch]) -> None:
        """Discards what was decided about these batches."""
        self._dropped.update(batches)
        self.runs = {batch: run for batch, run in self.runs.items() if batch not in self._dropped}
        self._disputed = [each for each in self._disputed if each.batch not in self._dropped]
        self._answers = {key: answer for key, answer in self._answers.items() if answer[0] not in self._dropped}

    def keep_inserted(self, run_ids: Collection[str]) -> None:
        """Discards what was decided about batches whose run is not among these."""
        self.drop([batch for batch, run in self.runs.items() if run.run_id not in run_ids])

    async def write(self, connection: Connection) -> None:
        """Writes what was decided, except for batches whose state has changed since."""
        self.keep_inserted(await runs.insert_runs(connection, list(self.runs.values()), self._fences))
        await add_disputed_marks(connection, self._disputed)
        answers = {key: answer for key, (_, answer) in self._answers.items()}
        await store_answers(connection, answers, self._now)

    def _decide(self, request: Request, check: CheckedSubmission | AdsumError) -> Accepted:
        key = _answer_key(request)
        if key is not None:
            _, given_now = self._answers.get(key, (None, None))
            if (stored := given_now or self._stored.get(key)) is not None:
                return Accepted(_repeated(request.submission, stored))
        if isinstance(check, AdsumError):
            raise check
        accepted = self._decide_new(check, request.trace)
        if key is not None:
            answer = StoredAnswer(check.submission.digest(), accepted.result.to_json())
            self._answers[key] = check.batch, answer
        return accepted

    def _decide_new(self, check: CheckedSubmission, trace: str | None) -> Accepted:
        """Decides a submission that is not a repetition. A batch with an open run takes no further marks, the office's
        included: the first submission wins, and the answer `isSkipped` lists the conflicts.
        """
        batch, snapshot = check.batch, self._snapshots[check.batch]
        # A submission before this one may have got a run for the same batch.
        open_run = self.runs.get(batch) or (None if snapshot.is_finished else snapshot.open_run)
        if open_run is not None:
            conflicts = conflicts_with_run(check.requested, open_run, snapshot.records)
            return Accepted(BatchResult.skipped(open_run, len(check.requested), conflicts, check.warnings))
        on_existing = check.submission.on_existing
        if on_existing is OnExisting.FAIL:
            refuse_recorded(check, snapshot.records)
        requested = self._apply_precedence(check, snapshot)
        plan = make_plan(requested, snapshot.records, on_existing, overrules=check.caller.overrules)
        if not plan.jobs:
            result = BatchResult.unneeded(batch, snapshot.newest_run, plan.total, plan.conflicts, check.warnings)
            return Accepted(result, ended=snapshot.ended)
        run = self._new_run(check, plan, snapshot, trace)
        self.runs[batch] = run
        # Days of one session may be read one after the other: the newer fence would insert the run of the older state.
        self._fences[batch.session_id] = min(check.fence, self._fences.get(batch.session_id, check.fence))
        return Accepted(BatchResult.initiated(run, plan, check.warnings), run, snapshot.ended)

    def _apply_precedence(self, check: CheckedSubmission, snapshot: BatchSnapshot) -> Mapping[int, Mark]:
        """The marks to record. A mark that contradicts the office's is stored as a disputed mark beside it."""
        if not snapshot.has_office_marks:
            return check.requested
        batch, caller, school_id = check.batch, check.caller, check.context.school_id
        absences = absences_of_session(
            snapshot.planned_absences, batch.session_id, batch.learning_date, tuple(check.context.calendar.times)
        )
        statuses = self._statuses.get(school_id) or SchoolStatuses()
        ruling = Precedence(absences, snapshot.records, statuses).resolve(
            check.requested, check.submission.selection.explicit, overrules=caller.overrules
        )
        self._disputed += [
            DisputedMark(school_id, batch, student_id, mark, caller, self._now)
            for student_id, mark in ruling.disputed.items()
        ]
        return ruling.requested

    def _new_run(self, check: CheckedSubmission, plan: Plan, snapshot: BatchSnapshot, trace: str | None) -> Run:
        return Run(
            run_id=str(uuid7()),
            school_id=check.context.school_id,
            batch=check.batch,
            number=snapshot.number + 1,
            state=RunState.OPEN,
            on_existing=check.submission.on_existing,
            chunk_size=self._chunk_size,
            chunks=plan.chunks(self._chunk_size),
            kept=plan.kept,
            accepted_at=self._now,
            accepted_role=check.caller.role,
            user_id=check.caller.user_id,
            key_id=check.caller.key_id,
            forced_reason=check.forced_reason,
            trace=trace,
        )


def _repeated(submission: Submission, stored: StoredAnswer) -> BatchResult:
    stored.require_same(submission.digest())
    return first_result(stored)
