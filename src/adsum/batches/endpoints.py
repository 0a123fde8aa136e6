"""Batches: the list of them, one of them, how far it has come, and what may be done about it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import each_named_once, require
from adsum.batches.rules import BatchFilters, BatchState, JobFilters, Outcome
from adsum.batches.schemas import BatchDetailsAnswer, BatchStatusAnswer, UndoneAnswer
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.queries import Day, PageQuery
from adsum.platform.http.schemas import Page, PathId, PlainText, Schema
from adsum.platform.texts import MAX_REASON

router = APIRouter(prefix="/attendances", tags=["batches"])
BatchId = Annotated[str, Path(alias="batchId")]
Reader = Annotated[Caller, Depends(require(Permission.BATCH_READ))]
Operator = Annotated[Caller, Depends(require(Permission.BATCH_OPERATE))]
Corrector = Annotated[Caller, Depends(require(Permission.ATTENDANCE_CREATE))]


class BatchQuery(PageQuery):
    """Filters of the list of batches."""

    class_id: PathId | None = None
    session_id: PathId | None = None
    first_day: Annotated[Day | None, Field(alias="from", description="First learning date")] = None
    last_day: Annotated[Day | None, Field(alias="to", description="Last learning date")] = None
    state: Annotated[BatchState | None, Field(description="Of the newest run")] = None

    @property
    def filters(self) -> BatchFilters:
        return BatchFilters(
            class_id=self.class_id,
            session_id=self.session_id,
            first_day=self.first_day,
            last_day=self.last_day,
            state=self.state,
        )


class JobQuery(PageQuery):
    """Filters of the students of a batch."""

    outcome: Outcome | None = None
    run_id: Annotated[UUID | None, Field(description="Only the students of this run of the batch")] = None

    @property
    def filters(self) -> JobFilters:
        return JobFilters(self.outcome, self.run_id)


class UndoBatch(Schema):
    """What may be said about an undo."""

    reason: Annotated[PlainText, Field(max_length=MAX_REASON, description="Why, for the history")] | None = None


@router.get("/batches", name="listBatches", summary="Batches by learning date", dependencies=[Depends(each_named_once)])
async def list_batches(
    query: Annotated[BatchQuery, Query()],
    adsum: OpenAdsum,
    caller: Reader,
) -> Page[BatchStatusAnswer]:
    """The latest learning date first; each batch as its newest run has it."""
    page = await adsum.batches.page(caller, query.filters, query.page)
    return Page(items=[BatchStatusAnswer.of(row.status) for row in page.items], next_cursor=page.next_cursor)


@router.get("/batch-status/{batchId}", name="batchStatus", summary="How far a batch has come")
async def batch_status(
    batch_id: BatchId,
    adsum: OpenAdsum,
    caller: Reader,
) -> BatchStatusAnswer:
    """404 for a batch that is not there, and for one of a class that the caller does not see."""
    return BatchStatusAnswer.of(await adsum.attendances.get_batch_status(batch_id, caller))


@router.get(
    "/batches/{batchId}",
    name="showBatch",
    summary="One batch with its runs and students",
    dependencies=[Depends(each_named_once)],
)
async def show_batch(
    batch_id: BatchId,
    query: Annotated[JobQuery, Query()],
    adsum: OpenAdsum,
    caller: Reader,
) -> BatchDetailsAnswer:
    """What became of each student, by id, and why; of a batch that was retried, of those who were not retried, too.

    With `runId`: of the students of that run alone.
    """
    return BatchDetailsAnswer.of_details(await adsum.batches.details(batch_id, caller, query.filters, query.page))


@router.post(
    "/batches/{batchId}/retry", name="retryBatch", summary="Retry what failed", status_code=HTTPStatus.ACCEPTED
)
async def retry_batch(
    batch_id: BatchId,
    adsum: OpenAdsum,
    caller: Operator,
) -> BatchStatusAnswer:
    """A new run of those who failed; the batch keeps its totals. 409 while it is processed, if nobody failed, or once
    it is pruned.
    """
    return BatchStatusAnswer.of(await adsum.retry_cancel.retry(batch_id, caller))


@router.post("/batches/{batchId}/cancel", name="cancelBatch", summary="Cancel what is not processed yet")
async def cancel_batch(
    batch_id: BatchId,
    adsum: OpenAdsum,
    caller: Operator,
) -> BatchStatusAnswer:
    """What is recorded stays. A batch that has ended is answered as it is."""
    return BatchStatusAnswer.of(await adsum.retry_cancel.cancel(batch_id, caller))


@router.post("/batches/{batchId}/undo", name="undoBatch", summary="Take the newest run back")
async def undo_batch(
    batch_id: BatchId, adsum: OpenAdsum, caller: Corrector, body: UndoBatch | None = None
) -> UndoneAnswer:
    """Every record is set back to before the newest run, as a change that its history keeps. Twice is once.

    409 while the batch is being processed: cancel it first.
    """
    undone = await adsum.undo.undo(batch_id, caller, body.reason if body is not None else None)
    return UndoneAnswer.model_validate(undone.to_json())
