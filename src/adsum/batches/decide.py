"""Decide: what each of many submissions comes to, in sight of what stands and of what the ones before it came to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from uuid6 import uuid7

from adsum.absences.precedence import Precedence
from adsum.absences.rules import absences_of_session
from adsum.attendance.rules import DisputedMark, Mark, RecordedMark
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.batches.plan import Plan, make_plan, not_applied, recorded_already
from adsum.batches.queue.keys import lock_key
from adsum.batches.repository.closing import ClosedRun
from adsum.batches.repository.idempotency import AnswerKey, KeptAnswer
from adsum.batches.repository.new_runs import NewRun
from adsum.batches.repository.runs import Run
from adsum.batches.rules import OnExisting, RunState
from adsum.batches.selection import Selection
from adsum.batches.snapshot import Sight
from adsum.batches.submission import BatchResult, Submission, result_of_json
from adsum.batches.validate import Asked, CheckedSubmission
from adsum.platform.errors import AdsumError, IdempotencyKeyReused, RecordsExist, Violation
from adsum.platform.ids import Batch


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


def answer_key(asked: Asked) -> AnswerKey | None:
    """Under which the answer to a submission is kept, if it is."""
    key = asked.submission.idempotency_key
    return None if key is None else AnswerKey(asked.caller.actor, key)


@dataclass(slots=True)
class Decisions:
    """Decides one submission after the other.

    Attributes:
        sight: of the batches that are decided upon.
        kept: the answers that were given before.
        now: the moment of acceptance.
        chunk_size: students in a message.
        made, said, answers: what is then to be written; an answer with the batch that it is about.
        dropped: batches of which nothing is to be written: they are to be decided upon anew.
    """

    sight: Sight
    kept: Mapping[AnswerKey, KeptAnswer]
    now: datetime
    chunk_size: int
    made: dict[Batch, NewRun] = field(default_factory=dict[Batch, NewRun])
    disputed: list[DisputedMark] = field(default_factory=list[DisputedMark])
    answers: dict[AnswerKey, tuple[Batch, KeptAnswer]] = field(
        default_factory=dict[AnswerKey, tuple[Batch, KeptAnswer]]
    )
    dropped: set[Batch] = field(default_factory=set[Batch])

    @property
    def is_only_runs(self) -> bool:
        """Whether nothing else is to be written."""
        return not self.disputed and not self.answers

    @property
    def in_need_of_turns(self) -> set[Batch]:
        """Batches of which something is to be kept beside no run: a run is made only if nothing has happened since."""
        kept = {*(each.batch for each in self.disputed), *(batch for batch, _ in self.answers.values())}
        return {*self.sight.idle, *kept.difference(self.made)}

    def keep_made(self, run_ids: Collection[str]) -> None:
        """Forgets what was decided of batches whose run is not among these, which were made indeed."""
        self.drop([batch for batch, new in self.made.items() if new.run.run_id not in run_ids])

    def drop(self, batches: Collection[Batch]) -> None:
        """Forgets what was decided of these batches."""
        self.dropped.update(batches)
        self.made = {batch: new for batch, new in self.made.items() if batch not in self.dropped}
        self.disputed = [each for each in self.disputed if each.batch not in self.dropped]
        self.answers = {key: answer for key, answer in self.answers.items() if answer[0] not in self.dropped}

    def decide(self, asked: Asked, checked: CheckedSubmission | AdsumError) -> Accepted:
        """Decides upon a submission.

        Raises:
            IdempotencyKeyReused: the key came before, with another body.
            RecordsExist: with `onExisting: "fail"`.
            AdsumError: what the check has found.
        """
        key = answer_key(asked)
        if key is not None and (kept := self._answer(key)) is not None:
            return Accepted(_repeated(asked.submission, kept))
        if isinstance(checked, AdsumError):
            raise checked
        accepted = self._decide(asked, checked)
        if key is not None:
            self.answers[key] = checked.batch, KeptAnswer(asked.submission.digest(), accepted.result.to_json())
        return accepted

    def _answer(self, key: AnswerKey) -> KeptAnswer | None:
        _, given_now = self.answers.get(key, (None, None))
        return given_now or self.kept.get(key)

    def _decide(self, asked: Asked, checked: CheckedSubmission) -> Accepted:
        batch = checked.batch
        records = self.sight.standing[batch].records
        # One that was made a moment ago for another of the same class.
        made = self.made.get(batch)
        standing = made.run if made is not None else self.sight.open_runs.get(batch)
        if standing is not None:
            return Accepted(_skipped(checked, standing, records))
        submission, closed = asked.submission, self.sight.closed.get(batch)
        if submission.on_existing is OnExisting.FAIL:
            _refuse_recorded(submission.selection, checked, records)
        plan = make_plan(self._ruled(asked, checked), records, submission.on_existing, overrules=asked.caller.overrules)
        if not plan.jobs:
            return Accepted(_nothing_to_do(checked, plan, self.sight.standing[batch].newest_run), closed=closed)
        chunks = tuple(tuple(chunk) for chunk in plan.chunks(self.chunk_size))
        run = Run(str(uuid7()), checked.school_id, batch, RunState.OPEN, self.chunk_size, chunks, self.now)
        self.made[batch] = NewRun(
            run,
            plan,
            checked.turn,
            self.sight.standing[batch].number,
            submission.on_existing,
            asked.caller,
            checked.forced_reason,
        )
        return Accepted(_initiated(checked, plan, run), run, closed)

    def _ruled(self, asked: Asked, checked: CheckedSubmission) -> Mapping[int, Mark]:
        """The marks that are to be recorded; what contradicts the office's is kept beside them."""
        batch, caller = checked.batch, asked.caller
        standing = self.sight.standing[batch]
        if not standing.is_preceding:
            return checked.requested
        known = absences_of_session(standing.known, batch.session_id, batch.learning_date, checked.times)
        statuses = self.sight.statuses.get(checked.school_id) or SchoolStatuses()
        ruling = Precedence(known, standing.records, statuses).resolve(
            checked.requested, asked.submission.selection.deliberate, overrules=caller.overrules
        )
        self.disputed += [
            DisputedMark(checked.school_id, batch, student_id, mark, caller, self.now)
            for student_id, mark in ruling.disputed.items()
        ]
        return ruling.requested


def _repeated(submission: Submission, kept: KeptAnswer) -> BatchResult:
    if kept.body_digest != submission.digest():
        detail = "this Idempotency-Key was sent before with another body"
        raise IdempotencyKeyReused(detail, [Violation(IdempotencyKeyReused.code, detail)])
    return result_of_json(kept.answer)


def _refuse_recorded(selection: Selection, checked: CheckedSubmission, existing: Mapping[int, RecordedMark]) -> None:
    recorded = recorded_already(checked.requested, existing)
    if not recorded:
        return
    pointers = {student_id: pointer for pointer, student_id in selection.mentioned}
    violations = [
        Violation("already_recorded", f"student {i} has a record", pointers.get(i, "/isSelectedAll"), {"studentId": i})
        for i in recorded
    ]
    raise RecordsExist(f"{len(recorded)} of {len(checked.requested)} students have a record already", violations)


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
        warnings=checked.warnings,
    )


def _nothing_to_do(checked: CheckedSubmission, plan: Plan, newest_run: str | None) -> BatchResult:
    return BatchResult(
        batch_id=checked.batch.id,
        run_id=newest_run,
        total_jobs=plan.total,
        added_jobs=0,
        skipped_jobs=plan.total,
        lock_key=lock_key(checked.batch.id),
        message=f"Nothing to do: all {plan.total} attendances are recorded already",
        is_new_run=False,
        is_skipped=False,
        conflicts=plan.conflicts,
        warnings=checked.warnings,
    )


def _skipped(checked: CheckedSubmission, standing: Run, existing: Mapping[int, RecordedMark]) -> BatchResult:
    being_recorded = {
        job.student_id: RecordedMark(job.mark.status, job.mark.note)
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
        conflicts=not_applied(checked.requested, {**existing, **being_recorded}),
        warnings=checked.warnings,
    )
