"""`/overview`: the day of a school, and the work that is left. The start page of the office."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel

from adsum.absences.page_data import AbsencePageData
from adsum.absences.unexplained import MAX_EXPLAINED, UnexplainedAbsences
from adsum.accounts.access import Permission
from adsum.accounts.visitors import OfficeVisitor, Visitor, visitor_with
from adsum.attendance.disputed_marks.rules import Holds
from adsum.attendance.disputed_marks.service import DisputedMarks
from adsum.batches.retry_cancel import RetryCancel
from adsum.platform.errors import Invalid, NotFound, StaleVersion
from adsum.platform.http.dependencies import Now, provided
from adsum.platform.http.queries import Day, Words
from adsum.platform.http.schemas import PathId
from adsum.platform.pages.forms import redirect_to
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.registers.overview.page_data import Cursors, DayOverview, OverviewPageData, few_missing, reasons_of
from adsum.registers.reminders.rules import PAUSE, oldest_reminded
from adsum.registers.reminders.service import Reminders
from adsum.reports.explaining import ExplanationForm, StudentDayText, address_after, student_days
from adsum.schools.context import RequestedDay, SchoolDay, SchoolsService, school_day

router = APIRouter(prefix="/overview", include_in_schema=False, route_class=PageRoute)

Reader = Annotated[Visitor, Depends(visitor_with(Permission.ATTENDANCE_READ, Permission.ROSTER_READ))]
Operator = Annotated[Visitor, Depends(visitor_with(Permission.BATCH_OPERATE))]
AbsencesService = Annotated[AbsencePageData, Depends(provided(AbsencePageData))]
OverviewsService = Annotated[OverviewPageData, Depends(provided(OverviewPageData))]


class DayForm(BaseModel):
    """The school and the day of the page that sent the form. The answer redirects to that page."""

    school: PathId
    date: Day


class ExplanationOnDay(ExplanationForm):
    """The explanation of absences, on the page of a day."""

    date: Day


class DecisionForm(DayForm):
    """Which of two marks holds, and the version of the record that the visitor saw."""

    contradiction: PathId
    version: int
    holds: Holds


class ReminderForm(DayForm):
    """The session whose register is missing; None: all of the day."""

    session: PathId | None = None


class RetryForm(DayForm):
    """A batch with failed marks."""

    batch: str


async def _cursors(
    registers: str | None = None,
    unexplained: str | None = None,
    explained: Annotated[list[StudentDayText], Query(max_length=MAX_EXPLAINED)] = [],  # noqa: B006 - never changed
) -> Cursors:
    return Cursors(registers, unexplained, student_days(explained))


RequestedCursors = Annotated[Cursors, Depends(_cursors)]


@router.get("")
async def overview(
    *,
    request: Request,
    overviews: OverviewsService,
    absences: AbsencesService,
    visitor: Reader,
    of: RequestedDay,
    now: Now,
    cursors: RequestedCursors,
    done: str = "",
    at: Words = "",
) -> Response:
    """The overview. `done` names the action that led back to the page, `at` the absence to which it leads back."""
    content = await _read(overviews, visitor, of, cursors)
    planned = await absences.of_day(of.school.id, of.day, visitor.caller)
    stopped = await overviews.stopped_webhooks(visitor.caller)
    return _page(
        *(request, visitor, of, content),
        now=now,
        planned=planned,
        done=done,
        cursors=cursors,
        at=at,
        stopped_webhooks=stopped,
    )


@router.get("/now")
async def overview_now(
    request: Request,
    overviews: OverviewsService,
    absences: AbsencesService,
    visitor: Reader,
    of: RequestedDay,
    now: Now,
    cursors: RequestedCursors,
) -> Response:
    """The part of the overview that the page refreshes."""
    content = await _read(overviews, visitor, of, cursors)
    planned = await absences.of_day(of.school.id, of.day, visitor.caller)
    shown = _shown(visitor, of, content, now=now, planned=planned, cursors=cursors)
    return site_of(request).page(request, "overview_now.html", **shown)


@router.post("/explain")
async def explain(
    request: Request,
    overviews: OverviewsService,
    absences: AbsencesService,
    unexplained_absences: Annotated[UnexplainedAbsences, Depends(provided(UnexplainedAbsences))],
    schools: SchoolsService,
    visitor: OfficeVisitor,
    now: Now,
    form: Annotated[ExplanationOnDay, Form()],
) -> Response:
    """Explains all absences of a student on a day."""
    try:
        await unexplained_absences.explain(form.school, form.student_days, form.status, form.reason, visitor.caller)
    except Invalid as error:
        of = await school_day(schools, visitor, form.school, form.date, now)
        content = await _read(overviews, visitor, of, Cursors())
        planned = await absences.of_day(of.school.id, of.day, visitor.caller)
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return _page(request, visitor, of, content, status=status, now=now, planned=planned, typed=form, error=error)
    return redirect_to(address_after(form.back, form.absence, form.explained))


@router.post("/settle")
async def settle(
    disputed_marks: Annotated[DisputedMarks, Depends(provided(DisputedMarks))],
    visitor: OfficeVisitor,
    form: Annotated[DecisionForm, Form()],
) -> Response:
    """Settles a disputed mark: either the office's mark holds, or the mark from class."""
    try:
        await disputed_marks.settle(form.contradiction, form.holds, None, visitor.caller, form.version)
    except NotFound:
        return _redirect(form, "gone")
    except StaleVersion:
        return _redirect(form, "changed")
    return _redirect(form, "settled")


@router.post("/retry")
async def retry(
    retrying: Annotated[RetryCancel, Depends(provided(RetryCancel))],
    visitor: Operator,
    form: Annotated[RetryForm, Form()],
) -> Response:
    """Retries the failed marks of a batch."""
    await retrying.retry(form.batch, visitor.caller)
    return _redirect(form, "retried")


@router.post("/remind")
async def remind(
    reminders: Annotated[Reminders, Depends(provided(Reminders))],
    visitor: OfficeVisitor,
    form: Annotated[ReminderForm, Form()],
) -> Response:
    """Reminds the teachers of one missing register, or of all that are missing on the day."""
    session_ids = None if form.session is None else [form.session]
    try:
        reminded = await reminders.remind(form.school, form.date, session_ids, visitor.caller)
    except Invalid as error:
        return _redirect(form, "old" if error.violations[0].code == "date_too_early" else "taken")
    if reminded.sent:
        return _redirect(form, "some" if reminded.without_login or reminded.without_teacher else "reminded")
    return _redirect(form, "recent" if reminded.recent else "no-login" if reminded.without_login else "nobody")


async def _read(overviews: OverviewPageData, visitor: Visitor, of: SchoolDay, cursors: Cursors) -> DayOverview:
    return await overviews.read(visitor.caller, of.school.id, of.day, cursors, is_today=of.is_today)


def _page(
    request: Request,
    visitor: Visitor,
    of: SchoolDay,
    content: DayOverview,
    *,
    status: HTTPStatus = HTTPStatus.OK,
    **context: Any,
) -> Response:
    shown = _shown(visitor, of, content, **context)
    return site_of(request).page(request, "overview.html", status=status, **shown)


def _shown(visitor: Visitor, of: SchoolDay, content: DayOverview, **context: Any) -> dict[str, Any]:
    return {
        "visitor": visitor,
        "of": of,
        "overview": content,
        "few_missing": few_missing,
        "pause": PAUSE,
        "reminds": visitor.may(Permission.ATTENDANCE_OVERRULE) and of.day >= oldest_reminded(of.today),
        "reasons_of": reasons_of,
        "cursors": Cursors(),
        "done": "",
        "at": "",
        "typed": None,
        "error": None,
        "stopped_webhooks": (),
        **context,
    }


def _redirect(form: DayForm, done: str) -> Response:
    address = f"/overview?school={form.school}&date={form.date.isoformat()}&done={done}"
    return RedirectResponse(address, HTTPStatus.SEE_OTHER)
