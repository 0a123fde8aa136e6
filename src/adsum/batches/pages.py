"""`/batches/{batchId}`: the story of one batch, what became of its students, and what may be done about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Form, Path, Query, Request, Response
from fastapi.responses import RedirectResponse

from adsum.accounts.access import Caller, Permission
from adsum.accounts.visitors import Visitor, visitor_with
from adsum.attendance.statuses.rules import shown_statuses
from adsum.batches.listing import MAX_RUNS, BatchDetails
from adsum.batches.rules import FailureCount, JobFilters, ListedRun, Outcome, UndoneRun
from adsum.batches.timeline import BatchTimeline
from adsum.platform.errors import AdsumError, Conflict, Invalid
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.ids import parse_batch_id
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.platform.paging import PageRequest
from adsum.wiring import Adsum

router = APIRouter(prefix="/batches/{batchId}", include_in_schema=False, route_class=PageRoute)

BatchId = Annotated[str, Path(alias="batchId")]
Watcher = Annotated[Visitor, Depends(visitor_with(Permission.BATCH_READ))]
Operator = Annotated[Visitor, Depends(visitor_with(Permission.BATCH_READ, Permission.BATCH_OPERATE))]
Corrector = Annotated[Visitor, Depends(visitor_with(Permission.BATCH_READ, Permission.ATTENDANCE_CREATE))]
STUDENTS = 50
EVERYBODY = "all"
# Those whom somebody has to look after come first.
ORDER = (Outcome.FAILED, Outcome.PENDING, Outcome.CANCELLED, Outcome.RECORDED, Outcome.SKIPPED)


class EventKind(StrEnum):
    """What happened to a run, in the order in which it happens."""

    ACCEPTED = "accepted"
    FAILED = "failed"
    ENDED = "ended"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a run, and what is known of it."""

    kind: EventKind
    at: datetime
    run: ListedRun
    failures: Sequence[FailureCount] = ()
    undone: UndoneRun | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """What the visitor wants to see of the batch, and what they have just done."""

    outcome: str = ""
    cursor: str | None = None
    done: str = ""
    number: int = 0
    kept: int = 0
    problem: AdsumError | None = None
    typed: Mapping[str, str] = field(default_factory=dict[str, str])


async def _shown(
    outcome: str = "",
    cursor: str | None = None,
    done: str = "",
    number: Annotated[int, Query(ge=0)] = 0,
    kept: Annotated[int, Query(ge=0)] = 0,
) -> Shown:
    return Shown(outcome, cursor, done, number, kept)


@router.get("")
async def batch_page(
    request: Request,
    batch_id: BatchId,
    adsum: OpenAdsum,
    visitor: Watcher,
    shown: Annotated[Shown, Depends(_shown)],
) -> Response:
    """The whole page."""
    return await _page(request, adsum, visitor, batch_id, shown)


@router.get("/now")
async def batch_now(
    request: Request, batch_id: BatchId, adsum: OpenAdsum, visitor: Watcher, run: str = "", state: str = ""
) -> Response:
    """The part that changes; once another run or another state is to be told, the page is asked for anew."""
    details = await adsum.batches.details(batch_id, visitor.caller, JobFilters(), PageRequest(limit=1))
    story = await adsum.timeline.story(batch_id, visitor.caller, MAX_RUNS)
    response = site_of(request).page(
        request, "batch_now.html", visitor=visitor, details=details, story=story, events=told(details.runs, story)
    )
    if (run, state) != (details.status.run_id, details.status.state):
        response.headers["HX-Refresh"] = "true"
    return response


@router.post("/retry")
async def retry(request: Request, batch_id: BatchId, adsum: OpenAdsum, visitor: Operator) -> Response:
    """Retries who failed, and shows how that goes."""
    try:
        status = await adsum.retry_cancel.retry(batch_id, visitor.caller)
    except Conflict as error:
        return await _page(request, adsum, visitor, batch_id, Shown(problem=error))
    return _see(batch_id, done="retry", number=status.remaining_jobs)


@router.post("/cancel")
async def cancel(batch_id: BatchId, adsum: OpenAdsum, visitor: Operator) -> Response:
    """Cancels what is not processed yet, and shows what became of the batch."""
    status = await adsum.retry_cancel.cancel(batch_id, visitor.caller)
    return _see(batch_id, done="cancel", number=status.tally.cancelled)


@router.post("/undo")
async def undo(
    request: Request,
    batch_id: BatchId,
    adsum: OpenAdsum,
    visitor: Corrector,
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Takes the newest run back, and shows how many records that were."""
    try:
        undone = await adsum.undo.undo(batch_id, visitor.caller, reason.strip() or None)
    except (Conflict, Invalid) as error:
        return await _page(request, adsum, visitor, batch_id, Shown(problem=error, typed={"reason": reason}))
    return _see(batch_id, done="undo", number=undone.undone, kept=len(undone.kept))


def told(runs: Sequence[ListedRun], story: BatchTimeline) -> list[Event]:
    """What happened to the batch, in the order in which it did."""
    events: list[Event] = []
    for run in runs:
        failures = story.failures.get(run.run_id, ())
        events.append(Event(EventKind.ACCEPTED, run.accepted_at, run))
        if failures:
            events.append(Event(EventKind.FAILED, max(each.last_at for each in failures), run, failures))
        if run.ended_at is not None:
            events.append(Event(EventKind.ENDED, run.ended_at, run))
        events += [
            Event(EventKind.UNDONE, each.at, run, undone=each) for each in story.undone if each.run_id == run.run_id
        ]
    kinds = list(EventKind)
    return sorted(events, key=lambda event: (event.run.number, event.at, kinds.index(event.kind)))


def chosen_outcome(asked: str, present: Mapping[Outcome, int]) -> Outcome | None:
    """Whose students are shown: those who were asked for, else the first of `ORDER` that there are if it is a bad one.

    None: everybody.
    """
    if asked in set(Outcome):
        return Outcome(asked)
    if asked == EVERYBODY:
        return None
    return Outcome.FAILED if present[Outcome.FAILED] else None


async def _page(request: Request, adsum: Adsum, visitor: Visitor, batch_id: str, shown: Shown) -> Response:
    caller = visitor.caller
    status = await adsum.attendances.get_batch_status(batch_id, caller)
    tally = status.tally
    counts = {
        Outcome.FAILED: tally.failed,
        Outcome.PENDING: tally.remaining,
        Outcome.CANCELLED: tally.cancelled,
        Outcome.RECORDED: tally.recorded,
        Outcome.SKIPPED: tally.skipped,
    }
    outcome = chosen_outcome(shown.outcome, counts)
    details = await adsum.batches.details(batch_id, caller, JobFilters(outcome), PageRequest(shown.cursor, STUDENTS))
    story = await adsum.timeline.story(batch_id, caller, MAX_RUNS)
    return site_of(request).page(
        request,
        "batch.html",
        status=HTTPStatus.CONFLICT if shown.problem is not None else HTTPStatus.OK,
        visitor=visitor,
        batch=parse_batch_id(batch_id),
        details=details,
        story=story,
        events=told(details.runs, story),
        shown=shown,
        outcome=outcome,
        counts={each: counts[each] for each in ORDER if counts[each]},
        **await _called(adsum, caller, details, story),
    )


async def _called(adsum: Adsum, caller: Caller, details: BatchDetails, story: BatchTimeline) -> dict[str, Any]:
    """What the class, its session, the students and statuses are called, for who may read rosters."""
    batch = parse_batch_id(details.status.batch_id)
    if batch is None or not caller.may(Permission.ROSTER_READ):
        return {"titles": {}, "names": {}, "statuses": {}}
    return {
        "titles": await adsum.directory.titles(caller, [batch.session_id]),
        "names": await adsum.directory.names(caller, [job.student_id for job in details.jobs.items]),
        "statuses": shown_statuses(await adsum.statuses.all_of(story.school_id, caller)),
    }


def _see(batch_id: str, **done: object) -> Response:
    return RedirectResponse(f"/batches/{quote(batch_id)}?{urlencode(done)}", HTTPStatus.SEE_OTHER)
