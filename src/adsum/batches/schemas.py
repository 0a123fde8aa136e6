"""Models of batches, as the HTTP API reads and returns them and as `adsum batch --json` prints them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import Field, ModelWrapValidatorHandler, ValidationError, model_validator

from adsum.attendance.rules import Mark
from adsum.batches.job_outcomes import BatchJob, reason_text
from adsum.batches.listing import BatchDetails
from adsum.batches.rules import BatchState, BatchStatus, ListedRun, OnExisting, Outcome, RunUndo, Tally
from adsum.batches.run import MarkConflict
from adsum.batches.sent_forms import with_wrong_forms
from adsum.batches.submission import BatchResult, Selection, StudentMark, Submission
from adsum.batches.undo import UndoResult
from adsum.platform.http.schemas import (
    Flag,
    Id,
    Moment,
    Note,
    Page,
    PlainText,
    Schema,
    SentSchema,
    long_list,
    page_of_items,
)
from adsum.platform.texts import MAX_REASON
from adsum.roster.rules import MAX_VERSION_LENGTH

StudentList = long_list(20_000)
UndoneJobs = Annotated[int, Field(description="Records that undos have set back.")]
NotUndoneJobs = Annotated[
    int, Field(description="Records of the run that the last undo has left: see `kept` of its answer.")
]


class RequestedMark(SentSchema):
    """The status of one student. It takes precedence over both lists."""

    student_id: Id
    status: Annotated[
        PlainText, Field(max_length=32, description="The code of any status of the school, up to 32 characters.")
    ]
    note: Annotated[
        Note | None,
        Field(description="A note about the mark, up to 500 characters, stored without blanks at its ends."),
    ] = None
    arrived_at: (
        Annotated[PlainText, Field(max_length=5, description="A local time of the school, `HH:MM`; null: not noted.")]
        | None
    ) = None
    left_at: (
        Annotated[PlainText, Field(max_length=5, description="A local time of the school, `HH:MM`; null: not noted.")]
        | None
    ) = None


class CreateBatch(SentSchema):
    """The seed's request. `learningDate` is a plain day, or a timestamp: see the HTTP reference."""

    class_id: Id
    session_id: Id
    learning_date: Annotated[
        PlainText,
        Field(
            max_length=64,
            description="`YYYY-MM-DD`, or a timestamp: midnight UTC is that day, any other has an offset.",
        ),
    ]
    is_selected_all: Annotated[
        Flag,
        Field(
            description="`true`: every enrolled student gets `present` unless named otherwise. `false`: only the named."
        ),
    ]
    selected_student_ids: Annotated[
        Sequence[Id], StudentList, Field(description="Students who are `present`, by `id`; up to 20,000.")
    ] = ()
    unselected_student_ids: Annotated[
        Sequence[Id], StudentList, Field(description="Students who are `absent`, by `id`; up to 20,000.")
    ] = ()
    marks: Annotated[
        Sequence[RequestedMark],
        StudentList,
        Field(description="Statuses of single students, which take precedence over both lists."),
    ] = ()
    on_existing: OnExisting = OnExisting.SKIP
    roster_version: Annotated[
        Annotated[str, Field(max_length=MAX_VERSION_LENGTH)] | None,
        Field(
            description="From `GET /classes/{classId}/roster`. If the roster has changed since: 409 `roster_changed`."
        ),
    ] = None
    force: Annotated[Flag, Field(description="Record although the school is closed on that day.")] = False
    reason: Annotated[PlainText, Field(max_length=MAX_REASON, description="The reason for `force`.")] | None = None

    @model_validator(mode="wrap")
    @classmethod
    def _name_wrong_forms(cls, body: object, read: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return read(body)
        except ValidationError as error:
            raise with_wrong_forms(error, body) from None

    def to_submission(self, idempotency_key: str | None) -> Submission:
        marks = [
            StudentMark(mark.student_id, Mark(mark.status, mark.note, mark.arrived_at, mark.left_at))
            for mark in self.marks
        ]
        return Submission(
            class_id=self.class_id,
            session_id=self.session_id,
            learning_date=self.learning_date,
            selection=Selection(self.is_selected_all, self.selected_student_ids, self.unselected_student_ids, marks),
            on_existing=self.on_existing,
            roster_version=self.roster_version,
            idempotency_key=idempotency_key,
            force=self.force,
            reason=self.reason,
        )


class ConflictOfMarks(Schema):
    """A mark that was not applied. `recorded`: the status that is recorded or being recorded; null: none."""

    student_id: int
    recorded: Annotated[
        str | None, Field(description="The code of the status that is recorded or being recorded; null: none.")
    ]
    requested: Annotated[str, Field(description="The code of the status that was requested and not applied.")]
    recorded_note: Annotated[str | None, Field(description="The note that is recorded; null: none.")] = None
    requested_note: Annotated[str | None, Field(description="The note that was requested; null: none.")] = None

    @classmethod
    def of(cls, conflict: MarkConflict) -> Self:
        recorded, requested = conflict.recorded, conflict.requested
        return cls(
            student_id=conflict.student_id,
            recorded=recorded.status if recorded is not None else None,
            requested=requested.status,
            recorded_note=recorded.note if recorded is not None else None,
            requested_note=requested.note,
        )


class Warned(Schema):
    """A warning about a request that was accepted."""

    code: str
    detail: str


class BatchAnswer(Schema):
    """The seed's response, and what Adsum adds to it."""

    batch_id: str
    total_jobs: Annotated[int, Field(description="The number of students of the submission.")]
    added_jobs: Annotated[int, Field(description="The number of students who were queued.")]
    skipped_jobs: int
    lock_key: Annotated[str, Field(description="The Redis key that is held while a run of the batch is open.")]
    message: Annotated[str, Field(description="A sentence for people, which may change.")]
    run_id: Annotated[str | None, Field(description="The run, a UUID of version 7; null: the batch has none.")]
    is_skipped: Annotated[
        bool, Field(description="Whether another run of the batch is being processed, so that nothing was queued.")
    ]
    status_url: Annotated[str, Field(description="The path of the progress of the batch.")]
    conflicts: Annotated[
        list[ConflictOfMarks],
        Field(description="Marks that were not applied, because another one is recorded or being recorded."),
    ]
    warnings: Sequence[Warned] = ()

    @classmethod
    def of(cls, result: BatchResult) -> Self:
        return cls(
            batch_id=result.batch_id,
            total_jobs=result.total_jobs,
            added_jobs=result.added_jobs,
            skipped_jobs=result.skipped_jobs,
            lock_key=result.lock_key,
            message=result.message,
            run_id=result.run_id,
            is_skipped=result.is_skipped,
            status_url=f"/attendances/batch-status/{result.batch_id}",
            conflicts=[ConflictOfMarks.of(conflict) for conflict in result.conflicts],
            warnings=[Warned.model_validate(notice) for notice in result.warnings],
        )


class BatchStatusAnswer(Schema):
    """The newest run of the batch. All counts are counts of database rows."""

    batch_id: str
    is_locked: bool
    lock_status: str | None
    remaining_jobs: int
    is_completed: bool
    state: Annotated[
        BatchState, Field(description="The state of the newest run. `completed_with_errors`: students failed.")
    ]
    total_jobs: int
    recorded_jobs: int
    skipped_jobs: int
    failed_jobs: int
    cancelled_jobs: int
    progress: int
    run_id: str
    started_at: Moment
    completed_at: Moment | None
    undone_jobs: UndoneJobs = 0
    not_undone_jobs: NotUndoneJobs = 0

    @classmethod
    def of(cls, status: BatchStatus) -> BatchStatusAnswer:
        return BatchStatusAnswer(**_status_fields(status))


class RunItem(Schema):
    """One accepted submission of the batch. A retry's counts hold the `carriedJobs` of the runs before it."""

    run_id: str
    number: Annotated[int, Field(description="Number of the run in its batch, from 1.")]
    state: Annotated[BatchState, Field(description="The state of the run. `completed_with_errors`: students failed.")]
    on_existing: OnExisting
    total_jobs: int
    recorded_jobs: int
    skipped_jobs: int
    failed_jobs: int
    cancelled_jobs: int
    remaining_jobs: int
    carried_jobs: Annotated[int, Field(description="Of a retry: students who were settled by the runs before it.")]
    accepted_at: Moment
    accepted_by_role: str
    accepted_by_user_id: Annotated[
        int | None, Field(description="Null: an API key without a user, or the command line.")
    ]
    accepted_by_key_id: Annotated[int | None, Field(description="The API key of the request.")] = None
    ended_at: Moment | None
    ended_by: Annotated[
        str | None, Field(description="The process that ended it, as `host:pid`: a worker; null: a request.")
    ] = None
    pruned_at: Annotated[Moment | None, Field(description="When the outcomes of its students were deleted.")]
    forced_reason: Annotated[str | None, Field(description="The reason for marking on a closed day.")] = None
    undone_jobs: UndoneJobs = 0
    not_undone_jobs: NotUndoneJobs = 0

    @classmethod
    def of(cls, run: ListedRun) -> Self:
        return cls(
            **_counts(run.tally),
            **_counts_of_undo(run.undo),
            run_id=run.run_id,
            number=run.number,
            state=run.state,
            on_existing=run.on_existing,
            remaining_jobs=run.tally.remaining,
            carried_jobs=run.carried,
            accepted_at=run.accepted_at,
            accepted_by_role=run.accepted_role,
            accepted_by_user_id=run.user_id,
            accepted_by_key_id=run.key_id,
            ended_at=run.ended_at,
            ended_by=run.ended_by,
            pruned_at=run.pruned_at,
            forced_reason=run.forced_reason,
        )


class ReasonOfOutcome(Schema):
    """The reason of an outcome. `code` never changes; `detail` is for people and may change."""

    code: str
    detail: str


class RecordOfStudent(Schema):
    """The student's current record, from this or any other source. `status` is null if the mark was cleared."""

    id: Annotated[int, Field(description="The `id` of the attendance record.")]
    status: Annotated[str | None, Field(description="The code of the status; null: the mark was cleared.")]
    note: str | None
    version: int


class JobItem(Schema):
    """One student of the batch. `status`, `note` and `recorded` are null for callers who may not read records."""

    job_id: Annotated[str, Field(description="`student-{studentId}-session-{sessionId}-date-{DDMMYYYY}`.")]
    student_id: int
    run_id: Annotated[str, Field(description="The run whose outcome this is.")]
    status: Annotated[str | None, Field(description="The requested status; null: the record was kept from the start.")]
    note: Annotated[
        str | None, Field(description="The requested note; null: none, or for callers without `attendance:read`.")
    ]
    outcome: Annotated[
        Outcome, Field(description="The outcome of the mark. `skipped`: the student kept the record that they had.")
    ]
    reason: Annotated[ReasonOfOutcome | None, Field(description="Null: recorded, or pending.")]
    recorded: Annotated[RecordOfStudent | None, Field(description="Null: nothing is recorded.")]

    @classmethod
    def of(cls, job: BatchJob) -> Self:
        return cls(
            job_id=job.job_id,
            student_id=job.student_id,
            run_id=job.run_id,
            status=job.mark.status if job.mark is not None else None,
            note=job.mark.note if job.mark is not None else None,
            outcome=job.outcome,
            reason=ReasonOfOutcome(code=job.reason, detail=reason_text(job.reason)) if job.reason is not None else None,
            recorded=RecordOfStudent.model_validate(job.recorded) if job.recorded is not None else None,
        )


class BatchDetailsAnswer(BatchStatusAnswer):
    """One batch: its newest run, its runs, the newest of them first and 100 at most, and a page of its students."""

    runs: Annotated[list[RunItem], Field(description="The newest 100 runs, the newest first.")]
    jobs: Annotated[Page[JobItem], Field(description="A page of the students, by `id`.")]

    @classmethod
    def of_details(cls, details: BatchDetails) -> Self:
        return cls(
            **_status_fields(details.status),
            runs=[RunItem.of(run) for run in details.runs],
            jobs=page_of_items(details.jobs, JobItem.of),
        )


class UndoBatch(SentSchema):
    """Options of an undo."""

    reason: Annotated[PlainText, Field(max_length=MAX_REASON, description="The reason, for the history.")] | None = None


class KeptRecord(Schema):
    """A record that an undo left unchanged, because it was changed after the run."""

    student_id: int
    status: Annotated[str | None, Field(description="The code of the status; null: the mark was cleared.")]
    note: str | None
    version: int


class UndoneAnswer(Schema):
    """The result of an undo."""

    batch_id: str
    run_id: Annotated[str, Field(description="The newest run, which was undone.")]
    undone: Annotated[int, Field(description="Records that this request has set back; 0: it was undone before.")]
    kept: Annotated[list[KeptRecord], Field(description="Records that were changed after the run, and stay.")]

    @classmethod
    def of(cls, result: UndoResult) -> Self:
        kept = [
            KeptRecord(student_id=student_id, status=record.status, note=record.note, version=record.version)
            for student_id, record in result.kept.items()
        ]
        return cls(batch_id=result.batch_id, run_id=result.run_id, undone=result.undone, kept=kept)


def _status_fields(status: BatchStatus) -> dict[str, Any]:
    return {
        "batch_id": status.batch_id,
        "is_locked": status.is_locked,
        "lock_status": status.lock_status,
        "remaining_jobs": status.remaining_jobs,
        "is_completed": status.is_completed,
        "state": status.state,
        **_counts(status.tally),
        **_counts_of_undo(status.undo),
        "progress": status.tally.progress,
        "run_id": status.run_id,
        "started_at": status.started_at,
        "completed_at": status.completed_at,
    }


def _counts(tally: Tally) -> dict[str, int]:
    return {
        "total_jobs": tally.total,
        "recorded_jobs": tally.recorded,
        "skipped_jobs": tally.skipped,
        "failed_jobs": tally.failed,
        "cancelled_jobs": tally.cancelled,
    }


def _counts_of_undo(undo: RunUndo) -> dict[str, int]:
    return {"undone_jobs": undo.undone, "not_undone_jobs": undo.left}
