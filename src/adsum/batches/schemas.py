"""What is answered about batches: how far one has come, its runs, its students."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field

from adsum.batches.listing import BatchDetails
from adsum.batches.rules import BatchState, BatchStatus, OnExisting, Outcome
from adsum.platform.http.schemas import Moment, Page, Schema


class BatchStatusAnswer(Schema):
    """The newest run of the batch; every count is one of database rows."""

    batch_id: str
    is_locked: bool
    lock_status: str | None
    remaining_jobs: int
    is_completed: bool
    state: BatchState
    total_jobs: int
    recorded_jobs: int
    skipped_jobs: int
    failed_jobs: int
    cancelled_jobs: int
    progress: int
    run_id: str
    started_at: Moment
    completed_at: Moment | None

    @classmethod
    def of(cls, status: BatchStatus) -> Self:
        return cls.model_validate(status.to_json())


class RunItem(Schema):
    """One accepted submission of the batch. A retry's counts hold the `carriedJobs` of the runs before it."""

    run_id: str
    number: Annotated[int, Field(description="Of the batch's runs, from 1")]
    state: BatchState
    on_existing: OnExisting
    total_jobs: int
    recorded_jobs: int
    skipped_jobs: int
    failed_jobs: int
    cancelled_jobs: int
    remaining_jobs: int
    carried_jobs: int
    accepted_at: Moment
    accepted_by_role: str
    accepted_by_user_id: Annotated[
        int | None, Field(description="null: an API key that acts for nobody, or the command line")
    ]
    accepted_by_key_id: Annotated[int | None, Field(description="of an API key")] = None
    ended_at: Moment | None
    ended_by: Annotated[
        str | None, Field(description="The process that ended it, as `host:pid`: a worker; null: a request")
    ] = None
    pruned_at: Annotated[Moment | None, Field(description="Since then the outcomes of its students are not kept")]
    forced_reason: Annotated[str | None, Field(description="Why, although the school was closed")] = None


class ReasonOfOutcome(Schema):
    """Why. `code` never changes; `detail` is for people, and may."""

    code: str
    detail: str


class RecordOfStudent(Schema):
    """What the student's record says now, whoever wrote it. `status` is null where the mark was cleared."""

    id: int
    status: str | None
    note: str | None
    version: int


class JobItem(Schema):
    """One student of the batch. `status`, `note` and `recorded` are null to who may not read records."""

    job_id: str
    student_id: int
    run_id: Annotated[str, Field(description="The run whose outcome this is")]
    status: Annotated[str | None, Field(description="As asked; null: the record was kept from the start")]
    note: str | None
    outcome: Outcome
    reason: Annotated[ReasonOfOutcome | None, Field(description="null: recorded, or pending")]
    recorded: Annotated[RecordOfStudent | None, Field(description="null: nothing is recorded")]


class BatchDetailsAnswer(BatchStatusAnswer):
    """One batch: its newest run, its runs, the newest of them first and 100 at most, and a page of its students."""

    runs: list[RunItem]
    jobs: Page[JobItem]

    @classmethod
    def of_details(cls, details: BatchDetails) -> Self:
        return cls(
            **details.status.to_json(),
            runs=[RunItem.model_validate(run.to_json()) for run in details.runs],
            jobs=Page(
                items=[JobItem.model_validate(job.to_json()) for job in details.jobs.items],
                next_cursor=details.jobs.next_cursor,
            ),
        )


class KeptRecord(Schema):
    """A record that an undo left as it is, since somebody changed it after the run."""

    student_id: int
    status: str | None
    note: str | None
    version: int


class UndoneAnswer(Schema):
    """What became of an undo."""

    batch_id: str
    run_id: Annotated[str, Field(description="The newest run, which was undone")]
    undone: Annotated[int, Field(description="Records that this request has set back; 0: it was undone before")]
    kept: list[KeptRecord]
