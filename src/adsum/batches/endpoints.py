"""The HTTP endpoints of batches: create, list, show, status, live progress, retry, cancel, undo."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from pydantic import Field

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import Reauthenticate, SentKey, reauthenticate, require
from adsum.batches.activity.metrics import BatchMetrics
from adsum.batches.listing import Batches
from adsum.batches.progress import Progress, TooManyListeners, Watch, event_id
from adsum.batches.retry_cancel import BatchIsOpen, NothingFailed, RetryCancel, RunPruned
from adsum.batches.rules import BatchFilters, BatchState, BatchStatus, JobFilters, Outcome
from adsum.batches.schemas import (
    BatchAnswer,
    BatchDetailsAnswer,
    BatchStatusAnswer,
    CreateBatch,
    UndoBatch,
    UndoneAnswer,
)
from adsum.batches.service import AttendancesService
from adsum.batches.undo import Undo
from adsum.platform.errors import NotFound, OtherVisitor, RecordsExist, RosterChanged
from adsum.platform.http.dependencies import provided
from adsum.platform.http.documented_errors import raises
from adsum.platform.http.idempotency import IdempotencyKeyHeader
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.queries import Day, LastDay, PageQuery
from adsum.platform.http.schemas import Page, PathId
from adsum.platform.http.transport import address_of

router = APIRouter(prefix="/attendances", tags=["batches"], route_class=JsonRoute)

BatchId = Annotated[str, Path(alias="batchId")]
Reader = Annotated[Caller, Depends(require(Permission.BATCH_READ))]
Operator = Annotated[Caller, Depends(require(Permission.BATCH_OPERATE))]
Marker = Annotated[Caller, Depends(require(Permission.ATTENDANCE_CREATE))]
AttendancesDependency = Annotated[AttendancesService, Depends(provided(AttendancesService))]
BatchesDependency = Annotated[Batches, Depends(provided(Batches))]
RetryCancelDependency = Annotated[RetryCancel, Depends(provided(RetryCancel))]

EVENT = "status"
# Proxies close connections on which nothing arrives for about a minute.
KEEP_ALIVE_S = 15.0
RECONNECT_MS = (1_000, 5_000)
# A client that wants more sends a new request, and is authenticated again.
MAX_STREAM_S = 900.0
STREAM_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
KEEP_ALIVE = format_sse_event(comment="alive")


class BatchQuery(PageQuery):
    """Filters of the list of batches."""

    school_id: PathId | None = None
    class_id: PathId | None = None
    session_id: PathId | None = None
    first_day: Annotated[Day | None, Field(alias="from", description="First learning date.")] = None
    last_day: Annotated[LastDay, Field(alias="to", description="Last learning date.")] = None
    state: Annotated[BatchState | None, Field(description="Of the newest run.")] = None

    @property
    def filters(self) -> BatchFilters:
        return BatchFilters(
            school_id=self.school_id,
            class_id=self.class_id,
            session_id=self.session_id,
            first_day=self.first_day,
            last_day=self.last_day,
            state=self.state,
        )


class JobQuery(PageQuery):
    """Filters of the students of a batch."""

    outcome: Annotated[Outcome | None, Field(description="Only students with this outcome.")] = None
    run_id: Annotated[UUID | None, Field(description="Only the students of this run of the batch.")] = None

    @property
    def filters(self) -> JobFilters:
        return JobFilters(self.outcome, self.run_id)


class EventStream(StreamingResponse):
    """A response of server-sent events."""

    media_type = "text/event-stream"


@router.post(
    "/create-batch",
    name="createBatch",
    summary="Mark a whole class",
    status_code=HTTPStatus.ACCEPTED,
    responses={HTTPStatus.OK.value: {"model": BatchAnswer, "description": "Nothing was queued: see `message`"}}
    | raises(RosterChanged, RecordsExist, NotFound),
)
async def create_batch(
    body: CreateBatch,
    attendances: AttendancesDependency,
    metrics: Annotated[BatchMetrics, Depends(provided(BatchMetrics))],
    caller: Marker,
    response: Response,
    idempotency_key: IdempotencyKeyHeader = None,
) -> BatchAnswer:
    """202: the run is durable, and its jobs are queued. 200: another run is open, or nothing is left to do."""
    with metrics.accept_seconds.time():
        result = await attendances.create_batch(body.to_submission(idempotency_key), caller)
    if not result.is_new_run:
        response.status_code = HTTPStatus.OK
    elif not result.is_repeated:
        metrics.count_accepted(result.added_jobs)
    return BatchAnswer.of(result)


@router.get("/batches", name="listBatches", summary="Batches by learning date")
async def list_batches(
    query: Annotated[BatchQuery, Query()], batches: BatchesDependency, caller: Reader
) -> Page[BatchStatusAnswer]:
    """Batches by learning date, the latest first, each with the state of its newest run."""
    page = await batches.page(caller, query.filters, query.page)
    return Page(items=[BatchStatusAnswer.of(row.status) for row in page.items], next_cursor=page.next_cursor)


@router.get("/batch-status/{batchId}", name="getBatchStatus", summary="Progress of a batch")
async def get_batch_status(batch_id: BatchId, attendances: AttendancesDependency, caller: Reader) -> BatchStatusAnswer:
    """404 for a batch that does not exist, or whose class the caller does not see."""
    return BatchStatusAnswer.of(await attendances.get_batch_status(batch_id, caller))


@router.get(
    "/batches/{batchId}",
    name="getBatch",
    summary="One batch with its runs and students",
)
async def get_batch(
    batch_id: BatchId, query: Annotated[JobQuery, Query()], batches: BatchesDependency, caller: Reader
) -> BatchDetailsAnswer:
    """The outcome of each student with its reason, by id. After a retry this includes students of the runs before it.

    With `runId`: only the students of that run.
    """
    return BatchDetailsAnswer.of_details(await batches.details(batch_id, caller, query.filters, query.page))


@router.post(
    "/batches/{batchId}/retry",
    name="retryBatch",
    summary="Retry failed students",
    status_code=HTTPStatus.ACCEPTED,
    responses=raises(BatchIsOpen, NothingFailed, OtherVisitor, RunPruned),
)
async def retry_batch(
    batch_id: BatchId, retry_cancel: RetryCancelDependency, caller: Operator, key: SentKey
) -> BatchStatusAnswer:
    """Starts a new run for the students who failed; the batch keeps its totals. 409 while it is processed, if nobody
    failed, or once it is pruned.
    """
    keyed = key.answering(None, BatchStatusAnswer.of, HTTPStatus.ACCEPTED)
    return BatchStatusAnswer.of(await retry_cancel.retry(batch_id, caller, keyed))


@router.post("/batches/{batchId}/cancel", name="cancelBatch", summary="Cancel the pending jobs of a batch")
async def cancel_batch(
    batch_id: BatchId, retry_cancel: RetryCancelDependency, caller: Operator, key: SentKey
) -> BatchStatusAnswer:
    """Recorded marks stay. A batch that has ended is returned unchanged."""
    keyed = key.answering(None, BatchStatusAnswer.of, HTTPStatus.OK)
    return BatchStatusAnswer.of(await retry_cancel.cancel(batch_id, caller, keyed))


@router.post("/batches/{batchId}/undo", name="undoBatch", summary="Undo the newest run", responses=raises(BatchIsOpen))
async def undo_batch(
    batch_id: BatchId,
    undo: Annotated[Undo, Depends(provided(Undo))],
    caller: Marker,
    key: SentKey,
    body: UndoBatch | None = None,
) -> UndoneAnswer:
    """Sets every record back to its state before the newest run, as a change in its history. A repetition does nothing.

    409 while the batch is being processed: cancel it first.
    """
    keyed = key.answering(body, UndoneAnswer.of, HTTPStatus.OK)
    return UndoneAnswer.of(await undo.undo(batch_id, caller, body.reason if body is not None else None, keyed))


async def _watch(
    batch_id: BatchId,
    request: Request,
    progress: Annotated[Progress, Depends(provided(Progress))],
    caller: Reader,
    last_event_id: Annotated[
        str | None, Header(alias="Last-Event-ID", description="The `id` of the last event that was received.")
    ] = None,
) -> AsyncGenerator[Watch]:
    """Starts to listen before the response begins, so that a refusal is returned as a problem."""
    async with progress.watch(batch_id, caller, last_event_id, address=address_of(request)) as watch:
        yield watch


@router.get(
    "/batches/{batchId}/events",
    name="streamBatch",
    summary="Live progress of a batch",
    response_class=EventStream,
    responses={200: {"description": "Events named `status`, each with the fields of `getBatchStatus` as its data"}}
    | raises(TooManyListeners),
)
async def stream_batch(
    batch_id: BatchId,
    watch: Annotated[Watch, Depends(_watch)],
    progress: Annotated[Progress, Depends(provided(Progress))],
    reauthenticate: Annotated[Reauthenticate, Depends(reauthenticate)],
) -> EventStream:
    """The state now, each newer state, and one terminal state; then the stream ends.

    The `id` of an event is `{runId}:{settled jobs}:{state}`. With `Last-Event-ID` nothing is sent until there is a
    newer state; a terminal state is always sent. After 15 minutes a stream ends without one: connect again. A stream
    ends within 15 seconds if the sign-in or the key of its caller ends, or if they may no longer see the batch.
    """
    return EventStream(
        _event_lines(watch, lambda: progress.may_continue(batch_id, reauthenticate)), headers=STREAM_HEADERS
    )


async def _event_lines(
    watch: AsyncIterator[BatchStatus], may_continue: Callable[[], Awaitable[bool]]
) -> AsyncGenerator[bytes]:
    loop = asyncio.get_running_loop()
    until = loop.time() + MAX_STREAM_S
    check_at = loop.time() + KEEP_ALIVE_S
    while (now := loop.time()) < until:
        if now >= check_at:
            check_at = now + KEEP_ALIVE_S
            if not await may_continue():
                return
        try:
            async with asyncio.timeout_at(min(check_at, until)):
                status = await anext(watch, None)
        except TimeoutError:
            yield KEEP_ALIVE
            continue
        if status is None:
            return
        yield _event(status)


def _event(status: BatchStatus) -> bytes:
    data = BatchStatusAnswer.of(status).model_dump_json()
    # A browser connects again after this pause. All whose streams an outage has ended would come at once.
    pause_ms = random.randint(*RECONNECT_MS)  # noqa: S311 - no secret
    return format_sse_event(id=event_id(status), event=EVENT, data_str=data, retry=pause_ms)
