"""The pages `/batches`, with live figures and all batches, and `/batches/{batchId}`, with its timeline and actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Form, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from adsum.accounts.access import Permission
from adsum.accounts.visitors import Visitor, visitor_with
from adsum.batches.activity.service import ActivityService
from adsum.batches.page_data import BatchPageData, TypedBatchFilters
from adsum.batches.retry_cancel import RetryCancel
from adsum.batches.undo import Undo
from adsum.platform.errors import AdsumError, Conflict, Invalid
from adsum.platform.http.dependencies import provided
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute

router = APIRouter(prefix="/batches", include_in_schema=False, route_class=PageRoute)

BatchId = Annotated[str, Path(alias="batchId")]
Watcher = Annotated[Visitor, Depends(visitor_with(Permission.BATCH_READ))]
Operator = Annotated[Visitor, Depends(visitor_with(Permission.BATCH_READ, Permission.BATCH_OPERATE))]
Corrector = Annotated[Visitor, Depends(visitor_with(Permission.BATCH_READ, Permission.ATTENDANCE_CREATE))]
PageDataService = Annotated[BatchPageData, Depends(provided(BatchPageData))]
ActivityDependency = Annotated[ActivityService, Depends(provided(ActivityService))]
RetryCancelDependency = Annotated[RetryCancel, Depends(provided(RetryCancel))]


@dataclass(frozen=True, slots=True)
class ActionResult:
    """The last action of the visitor, which the page reports: its name and numbers, or its error and the form."""

    done: str = ""
    number: int = 0
    kept: int = 0
    problem: AdsumError | None = None
    form: Mapping[str, str] = field(default_factory=dict[str, str])


async def _typed_filters(
    state: str = "",
    class_id: Annotated[str, Query(alias="classId")] = "",
    first: Annotated[str, Query(alias="from")] = "",
    last: Annotated[str, Query(alias="to")] = "",
) -> TypedBatchFilters:
    return TypedBatchFilters(state.strip(), class_id.strip(), first.strip(), last.strip())


async def _action_result(
    done: str = "", number: Annotated[int, Query(ge=0)] = 0, kept: Annotated[int, Query(ge=0)] = 0
) -> ActionResult:
    return ActionResult(done, number, kept)


@router.get("")
async def batches_page(
    request: Request,
    pages: PageDataService,
    visitor: Watcher,
    typed: Annotated[TypedBatchFilters, Depends(_typed_filters)],
    cursor: Annotated[str | None, Query()] = None,
) -> Response:
    """The list of batches."""
    values = await pages.list(visitor.caller, typed, cursor)
    return site_of(request).page(request, "batches.html", visitor=visitor, **values)


@router.get("/now")
async def batches_now(request: Request, pages: PageDataService, visitor: Watcher) -> Response:
    """The part of the list that the page refreshes."""
    values = await pages.live(visitor.caller)
    return site_of(request).page(request, "batches_now.html", visitor=visitor, **values)


@router.post("/queue/pause")
async def pause(activity: ActivityDependency, visitor: Operator) -> Response:
    """Pauses the queue, and redirects to the list."""
    await activity.pause(visitor.caller)
    return RedirectResponse("/batches", HTTPStatus.SEE_OTHER)


@router.post("/queue/resume")
async def resume(activity: ActivityDependency, visitor: Operator) -> Response:
    """Resumes the queue, and redirects to the list."""
    await activity.resume(visitor.caller)
    return RedirectResponse("/batches", HTTPStatus.SEE_OTHER)


@router.get("/{batchId}")
async def batch_page(
    request: Request,
    batch_id: BatchId,
    pages: PageDataService,
    visitor: Watcher,
    result: Annotated[ActionResult, Depends(_action_result)],
    outcome: str = "",
    cursor: str | None = None,
) -> Response:
    """One batch."""
    return await _batch_page(request, pages, visitor, batch_id, result, outcome, cursor)


@router.get("/{batchId}/now")
async def batch_now(
    request: Request,
    batch_id: BatchId,
    pages: PageDataService,
    visitor: Watcher,
    run: str = "",
    state: str = "",
) -> Response:
    """The part of one batch that the page refreshes. A new run or state reloads the whole page."""
    values = await pages.progress(visitor.caller, batch_id)
    response = site_of(request).page(request, "batch_now.html", visitor=visitor, **values)
    status = values["details"].status
    if (run, state) != (status.run_id, status.state):
        response.headers["HX-Refresh"] = "true"
    return response


@router.post("/{batchId}/retry")
async def retry(
    request: Request,
    batch_id: BatchId,
    retry_cancel: RetryCancelDependency,
    pages: PageDataService,
    visitor: Operator,
) -> Response:
    """Retries the students who failed, and redirects to the page."""
    try:
        status = await retry_cancel.retry(batch_id, visitor.caller)
    except Conflict as error:
        return await _batch_page(request, pages, visitor, batch_id, ActionResult(problem=error))
    return _redirect(batch_id, done="retry", number=status.remaining_jobs)


@router.post("/{batchId}/cancel")
async def cancel(batch_id: BatchId, retry_cancel: RetryCancelDependency, visitor: Operator) -> Response:
    """Cancels the pending students, and redirects to the page."""
    status = await retry_cancel.cancel(batch_id, visitor.caller)
    return _redirect(batch_id, done="cancel", number=status.tally.cancelled)


@router.post("/{batchId}/undo")
async def undo(
    request: Request,
    batch_id: BatchId,
    undo: Annotated[Undo, Depends(provided(Undo))],
    pages: PageDataService,
    visitor: Corrector,
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Undoes the newest run, and redirects to the page, which reports the number of records."""
    try:
        undone = await undo.undo(batch_id, visitor.caller, reason.strip() or None)
    except (Conflict, Invalid) as error:
        result = ActionResult(problem=error, form={"reason": reason})
        return await _batch_page(request, pages, visitor, batch_id, result)
    return _redirect(batch_id, done="undo", number=undone.undone, kept=len(undone.kept))


async def _batch_page(
    request: Request,
    pages: BatchPageData,
    visitor: Visitor,
    batch_id: str,
    result: ActionResult,
    outcome: str = "",
    cursor: str | None = None,
) -> Response:
    values = await pages.details(visitor.caller, batch_id, outcome, cursor)
    status = HTTPStatus.CONFLICT if result.problem is not None else HTTPStatus.OK
    return site_of(request).page(request, "batch.html", status=status, visitor=visitor, result=result, **values)


def _redirect(batch_id: str, **result: object) -> Response:
    return RedirectResponse(f"/batches/{quote(batch_id)}?{urlencode(result)}", HTTPStatus.SEE_OTHER)
