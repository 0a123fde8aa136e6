"""`/overview`: how a day stands, and what is left to be settled. The start page of the office."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel

from adsum.accounts.access import Permission
from adsum.accounts.visitors import Visitor, visitor_with
from adsum.attendance.disputed_marks.service import Holds
from adsum.platform.errors import Invalid, NotFound, StaleVersion
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.queries import Day
from adsum.platform.http.schemas import PathId, PlainText
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.registers.overview.service import Overview, Pages, few_missing, overview_of
from adsum.schools.context import RequestedDay, SchoolDay, school_day

router = APIRouter(prefix="/overview", include_in_schema=False, route_class=PageRoute)

Reader = Annotated[Visitor, Depends(visitor_with(Permission.ATTENDANCE_READ, Permission.ROSTER_READ))]
Office = Annotated[Visitor, Depends(visitor_with(Permission.ATTENDANCE_OVERRULE, Permission.ROSTER_READ))]
Operator = Annotated[Visitor, Depends(visitor_with(Permission.BATCH_OPERATE))]


class OfDay(BaseModel):
    """Every form of the page says where it stands, so that its answer leads back there."""

    school: PathId
    date: Day


class Explanation(OfDay):
    """Why a student was absent on a day."""

    student: PathId
    absent: Day
    status: PlainText = ""
    reason: PlainText = ""


class Decision(OfDay):
    """Which of the two holds, by who saw this version of the record."""

    contradiction: PathId
    version: int
    holds: Holds


class FailedBatch(OfDay):
    """A batch of which marks have failed."""

    batch: str


@router.get("")
async def overview(
    request: Request,
    adsum: OpenAdsum,
    visitor: Reader,
    of: RequestedDay,
    registers: str | None = None,
    unexplained: str | None = None,
    done: str = "",
) -> Response:
    """The day; `done` is what the visitor has just settled."""
    overview = await overview_of(adsum, visitor, of, Pages(registers, unexplained))
    return _page(request, visitor, of, overview, status=HTTPStatus.OK, done=done)


@router.post("/explain")
async def explain(
    request: Request,
    adsum: OpenAdsum,
    visitor: Office,
    form: Annotated[Explanation, Form()],
) -> Response:
    """Explains all absences of a student on a day."""
    absent = (form.student, form.absent)
    try:
        explained = await adsum.explaining.explain(form.school, absent, form.status, form.reason, visitor.caller)
    except Invalid as error:
        of = await school_day(adsum.schools, visitor, form.school, form.date, adsum.now())
        overview = await overview_of(adsum, visitor, of, Pages())
        return _page(request, visitor, of, overview, typed=form, error=error, status=HTTPStatus.UNPROCESSABLE_ENTITY)
    return _back(form, "explained" if explained else "gone")


@router.post("/settle")
async def settle(adsum: OpenAdsum, visitor: Office, form: Annotated[Decision, Form()]) -> Response:
    """Says which of the two holds: what the office has set, or what was said in class."""
    try:
        await adsum.contradictions.settle(form.contradiction, form.holds, None, visitor.caller, form.version)
    except NotFound:
        return _back(form, "gone")
    except StaleVersion:
        return _back(form, "changed")
    return _back(form, "settled")


@router.post("/retry")
async def retry(adsum: OpenAdsum, visitor: Operator, form: Annotated[FailedBatch, Form()]) -> Response:
    """Retries the marks of a batch that failed."""
    await adsum.retry_cancel.retry(form.batch, visitor.caller)
    return _back(form, "retried")


def _page(
    request: Request, visitor: Visitor, of: SchoolDay, overview: Overview, *, status: HTTPStatus, **shown: Any
) -> Response:
    return site_of(request).page(
        request,
        "overview.html",
        status=status,
        visitor=visitor,
        of=of,
        overview=overview,
        few_missing=few_missing,
        **{"done": "", "typed": None, "error": None, **shown},
    )


def _back(form: OfDay, done: str) -> Response:
    address = f"/overview?school={form.school}&date={form.date.isoformat()}&done={done}"
    return RedirectResponse(address, HTTPStatus.SEE_OTHER)
