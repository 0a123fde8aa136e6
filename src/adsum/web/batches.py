"""The seed's two endpoints, `create-batch` and `batch-status`, and the list of batches."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from adsum.domain.access import Caller, Permission
from adsum.domain.batches import BatchState, BatchStatus, OnExisting
from adsum.domain.filters import BatchFilters
from adsum.domain.plan import MarkConflict
from adsum.domain.roster import MAX_VERSION_LENGTH
from adsum.domain.selection import Selection, StudentMark
from adsum.domain.statuses import MAX_NOTE, Mark
from adsum.domain.submission import BatchResult, Submission
from adsum.web.authentication import require
from adsum.web.dependencies import OpenAdsum
from adsum.web.queries import Day, PageQuery, each_named_once
from adsum.web.schemas import Flag, Id, Moment, Page, PathId, PlainText, Schema

router = APIRouter(prefix="/attendances", tags=["batches"])
BatchId = Annotated[str, Path(alias="batchId")]
Reader = Annotated[Caller, Depends(require(Permission.BATCH_READ))]
Operator = Annotated[Caller, Depends(require(Permission.BATCH_OPERATE))]


def _bounded(listed: Any) -> Any:
    # Before any entry is looked at: an error for each of a million entries is gigabytes.
    if isinstance(listed, list) and len(cast("list[Any]", listed)) > MAX_LISTED:
        raise PydanticCustomError("too_long", "a list has at most {max_length} entries", {"max_length": MAX_LISTED})
    return cast("Any", listed)


MAX_LISTED = 20_000
Bounded = BeforeValidator(_bounded)


class RequestedMark(Schema):
    """One student's own status; it wins over both lists."""

    student_id: Id
    status: Annotated[PlainText, Field(max_length=32)]
    note: Annotated[PlainText, Field(max_length=MAX_NOTE)] | None = None


class CreateBatch(Schema):
    """The seed's request. `learningDate`: a plain day, or a timestamp; see the README for how it becomes a day."""

    class_id: Id
    session_id: Id
    learning_date: Annotated[PlainText, Field(max_length=64)]
    is_selected_all: Flag
    selected_student_ids: Annotated[Sequence[Id], Bounded] = ()
    unselected_student_ids: Annotated[Sequence[Id], Bounded] = ()
    marks: Annotated[Sequence[RequestedMark], Bounded] = ()
    on_existing: OnExisting = OnExisting.SKIP
    roster_version: Annotated[str, Field(max_length=MAX_VERSION_LENGTH)] | None = None

    def to_submission(self, idempotency_key: str | None) -> Submission:
        marks = [StudentMark(mark.student_id, Mark(mark.status, mark.note)) for mark in self.marks]
        return Submission(
            class_id=self.class_id,
            session_id=self.session_id,
            learning_date=self.learning_date,
            selection=Selection(self.is_selected_all, self.selected_student_ids, self.unselected_student_ids, marks),
            on_existing=self.on_existing,
            roster_version=self.roster_version,
            idempotency_key=idempotency_key,
        )


class ConflictOfMarks(Schema):
    """A mark that was not applied. `recorded`: what stands, or is being recorded; null: nothing is."""

    student_id: int
    recorded: str | None
    requested: str
    recorded_note: str | None = None
    requested_note: str | None = None


class BatchAnswer(Schema):
    """The seed's response, and what Adsum adds to it."""

    batch_id: str
    total_jobs: int
    added_jobs: int
    skipped_jobs: int
    lock_key: str
    message: str
    run_id: str | None
    is_skipped: bool
    status_url: str
    conflicts: list[ConflictOfMarks]


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


class BatchQuery(PageQuery):
    """Filters of the list of batches."""

    class_id: PathId | None = None
    session_id: PathId | None = None
    first_day: Annotated[Day | None, Field(alias="from", description="First learning date")] = None
    last_day: Annotated[Day | None, Field(alias="to", description="Last learning date")] = None
    state: Annotated[BatchState | None, Field(description="Of the newest run")] = None

    @property
    def filters(self) -> BatchFilters:
        return BatchFilters(self.class_id, self.session_id, self.first_day, self.last_day, self.state)


@router.post(
    "/create-batch",
    name="createBatch",
    summary="Mark a whole class",
    status_code=HTTPStatus.ACCEPTED,
    responses={HTTPStatus.OK.value: {"model": BatchAnswer, "description": "Nothing was queued: see `message`"}},
)
async def create_batch(
    body: CreateBatch,
    adsum: OpenAdsum,
    caller: Annotated[Caller, Depends(require(Permission.ATTENDANCE_CREATE))],
    request: Request,
    response: Response,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")] = None,
) -> BatchAnswer:
    """202: the run is durable, and its jobs are queued. 200: another run is open, or nothing is left to do."""
    with adsum.metrics.accept_seconds.time():
        result = await adsum.attendances.create_batch(body.to_submission(idempotency_key), caller)
    if not result.is_new_run:
        response.status_code = HTTPStatus.OK
    elif not result.is_repeated:
        adsum.metrics.count_accepted(result.added_jobs)
    return _answer(result, request)


@router.get("/batches", name="listBatches", summary="Batches by learning date", dependencies=[Depends(each_named_once)])
async def list_batches(
    query: Annotated[BatchQuery, Query()],
    adsum: OpenAdsum,
    caller: Reader,
) -> Page[BatchStatusAnswer]:
    """The latest learning date first; each batch as its newest run has it."""
    page = await adsum.batches.page(caller, query.filters, query.page)
    return Page(items=[_status(row.status) for row in page.items], next_cursor=page.next_cursor)


@router.get("/batch-status/{batchId}", name="batchStatus", summary="How far a batch has come")
async def batch_status(
    batch_id: BatchId,
    adsum: OpenAdsum,
    caller: Reader,
) -> BatchStatusAnswer:
    """404 for a batch that is not there, and for one of a class that the caller does not see."""
    return _status(await adsum.attendances.get_batch_status(batch_id, caller))


@router.post(
    "/batches/{batchId}/retry", name="retryBatch", summary="Retry what failed", status_code=HTTPStatus.ACCEPTED
)
async def retry_batch(
    batch_id: BatchId,
    adsum: OpenAdsum,
    caller: Operator,
) -> BatchStatusAnswer:
    """A new run of those who failed; the batch keeps its totals. 409 while it is processed, or if nobody failed."""
    return _status(await adsum.interventions.retry(batch_id, caller))


@router.post("/batches/{batchId}/cancel", name="cancelBatch", summary="Cancel what is not processed yet")
async def cancel_batch(
    batch_id: BatchId,
    adsum: OpenAdsum,
    caller: Operator,
) -> BatchStatusAnswer:
    """What is recorded stays. A batch that has ended is answered as it is."""
    return _status(await adsum.interventions.cancel(batch_id, caller))


def _answer(result: BatchResult, request: Request) -> BatchAnswer:
    return BatchAnswer(
        batch_id=result.batch_id,
        total_jobs=result.total_jobs,
        added_jobs=result.added_jobs,
        skipped_jobs=result.skipped_jobs,
        lock_key=result.lock_key,
        message=result.message,
        run_id=result.run_id,
        is_skipped=result.is_skipped,
        status_url=request.app.url_path_for("batchStatus", batchId=result.batch_id),
        conflicts=[_conflict(conflict) for conflict in result.conflicts],
    )


def _conflict(conflict: MarkConflict) -> ConflictOfMarks:
    recorded, requested = conflict.recorded, conflict.requested
    return ConflictOfMarks(
        student_id=conflict.student_id,
        recorded=recorded.status if recorded is not None else None,
        requested=requested.status,
        recorded_note=recorded.note if recorded is not None else None,
        requested_note=requested.note,
    )


def _status(status: BatchStatus) -> BatchStatusAnswer:
    tally = status.tally
    return BatchStatusAnswer(
        batch_id=status.batch_id,
        is_locked=status.is_locked,
        lock_status=status.lock_status,
        remaining_jobs=status.remaining_jobs,
        is_completed=status.is_completed,
        state=status.state,
        total_jobs=tally.total,
        recorded_jobs=tally.recorded,
        skipped_jobs=tally.skipped,
        failed_jobs=tally.failed,
        cancelled_jobs=tally.cancelled,
        progress=tally.progress,
        run_id=status.run_id,
        started_at=status.started_at,
        completed_at=status.completed_at,
    )
