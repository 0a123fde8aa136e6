"""`/admin/retention`: the periods of a school with a preview of what would go, and students on hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response

from adsum.accounts.access import Permission, Role, may_erase
from adsum.accounts.kept_words.pages import SearchedWords
from adsum.accounts.kept_words.service import KeptWords
from adsum.accounts.visitors import visitor_with
from adsum.platform.database.tombstones import Erased
from adsum.platform.errors import AdsumError, Invalid, NotFound, Violation, refuse
from adsum.platform.http.dependencies import provided
from adsum.platform.http.schemas import PathId
from adsum.platform.pages.fields import number_typed
from adsum.platform.pages.forms import WRONG, redirect_to, status_with
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.platform.paging import MAX_LIMIT, PageRequest
from adsum.privacy.holds.rules import HoldReason
from adsum.privacy.holds.service import StudentHolds
from adsum.privacy.retention.rules import FIRST_MONTH, FOREVER, MAX_YEARS, MIN_YEARS, Kind, Periods, Preview
from adsum.privacy.retention.service import Retention
from adsum.privacy.service import StudentData
from adsum.privacy.staff.service import StaffErasure
from adsum.roster.rules import NamedIds, StudentFilters, StudentRow
from adsum.roster.service import Directory, Naming
from adsum.schools.context import CurrentSchool, SchoolContext

PATH = "/admin/retention"
DEFAULT, EVER = "", "ever"
MAX_DUE = 200
FOUND_AT_ONCE = 30

router = APIRouter(
    include_in_schema=False,
    route_class=PageRoute,
    dependencies=[Depends(visitor_with(Permission.SCHOOL_MANAGE, Permission.STUDENT_DATA))],
)


class RetentionServices:
    """The services of the page."""

    def __init__(
        self,
        retention: Annotated[Retention, Depends(provided(Retention))],
        holds: Annotated[StudentHolds, Depends(provided(StudentHolds))],
        directory: Annotated[Directory, Depends(provided(Directory))],
        naming: Annotated[Naming, Depends(provided(Naming))],
        student_data: Annotated[StudentData, Depends(provided(StudentData))],
        staff_erasure: Annotated[StaffErasure, Depends(provided(StaffErasure))],
    ) -> None:
        self.retention = retention
        self.holds = holds
        self.directory = directory
        self.naming = naming
        self.student_data = student_data
        self.staff_erasure = staff_erasure


Services = Annotated[RetentionServices, Depends()]
Text = Annotated[str, Form()]


@router.get(PATH)
async def retention_page(
    request: Request, services: Services, context: CurrentSchool, searched: SearchedWords
) -> Response:
    """The periods, the newest deletions, the holds, and the students that a search for a new hold has found."""
    return await _page(request, services, context, searched=searched)


@router.post(PATH)
async def set_periods(
    request: Request,
    services: Services,
    context: CurrentSchool,
    *,
    records: Text = DEFAULT,
    notes: Text = DEFAULT,
    absences: Text = DEFAULT,
    students: Text = DEFAULT,
    first_month: Text = DEFAULT,
    confirmation: Text = "",
) -> Response:
    """Shows what would go, and changes the periods when that is confirmed."""
    typed = {"records": records, "notes": notes, "absences": absences, "students": students}
    fields = typed | {"first_month": first_month}
    school_id, caller = context.school.id, context.caller
    try:
        periods = _periods(typed, first_month)
        preview = await services.retention.preview(school_id, periods, caller)
        if confirmation != preview.confirmation:
            return await _page(request, services, context, typed=fields, preview=preview)
        await services.retention.set(school_id, periods, caller, confirmation)
    except WRONG as error:
        return await _page(request, services, context, typed=fields, error=error)
    return redirect_to(context.address("retention"))


@router.post(f"{PATH}/holds")
async def place_hold(
    request: Request,
    services: Services,
    context: CurrentSchool,
    searched: SearchedWords,
    student: Text = "",
    reason: Text = "",
    reference: Text = "",
) -> Response:
    """Places a hold on a student who was found by name."""
    try:
        student_id = number_typed(student.strip(), "/student")
        if reason not in set(HoldReason):
            raise Invalid("choose a reason", [Violation("unknown_value", "choose a reason", "/reason")])
        await services.holds.place(student_id, HoldReason(reason), reference, context.caller)
    except (*WRONG, NotFound) as error:
        hold = {"student": student, "reason": reason, "reference": reference}
        return await _page(request, services, context, searched=searched, hold=hold, error=error)
    return redirect_to(f"{context.address('retention')}#holds")


@router.post(f"{PATH}/holds/lift")
async def lift_hold(services: Services, context: CurrentSchool, hold: Annotated[PathId, Form()]) -> Response:
    """Lifts a hold. A second click changes nothing."""
    await services.holds.lift(hold, context.caller)
    return redirect_to(f"{context.address('retention')}#holds")


@router.post(f"{PATH}/readmit")
async def readmit(
    request: Request,
    services: Services,
    context: CurrentSchool,
    sourced_id: Text = "",
    kind: Annotated[Erased, Form()] = Erased.STUDENT,
) -> Response:
    """Lets an erased person come back with the next roster."""
    data = services.student_data if kind is Erased.STUDENT else services.staff_erasure
    try:
        await data.readmit(context.school.id, sourced_id.strip(), context.caller)
    except (*WRONG, NotFound) as error:
        return await _page(request, services, context, error=error)
    return redirect_to(f"{context.address('retention')}&readmitted=true#readmit")


def _periods(typed: Mapping[str, str], first_month: str) -> Periods:
    violations: list[Violation] = []
    years: dict[str, int | None] = {}
    for name, text in typed.items():
        try:
            years[name] = None if text == DEFAULT else FOREVER if text == EVER else _number(text, name)
        except Invalid as error:
            violations += error.violations
    refuse(violations)
    return Periods(**years, first_month=number_typed(first_month, "/firstMonth") if first_month else None)


def _number(text: str, name: str) -> int:
    number = number_typed(text, f"/{name}")
    if not MIN_YEARS <= number <= MAX_YEARS:
        detail = f"{MIN_YEARS} to {MAX_YEARS} years"
        raise Invalid(detail, [Violation("out_of_range", detail, f"/{name}")])
    return number


def _typed_of(periods: Periods) -> dict[str, str]:
    years = {kind.value: getattr(periods, kind.value) for kind in Kind}
    texts = {
        name: DEFAULT if value is None else EVER if value == FOREVER else str(value) for name, value in years.items()
    }
    return texts | {"first_month": str(periods.first_month or "")}


async def _found(services: RetentionServices, context: SchoolContext, words: str) -> tuple[Sequence[StudentRow], bool]:
    """The students of the school who match the words, by name, and whether there are more."""
    if not words:
        return [], False
    filters = StudentFilters(school_id=context.school.id, words=words)
    page = await services.directory.students(context.caller, filters, PageRequest(limit=FOUND_AT_ONCE))
    return sorted(page.items, key=lambda each: each.name_order), page.next_cursor is not None


async def _page(
    request: Request,
    services: RetentionServices,
    context: SchoolContext,
    *,
    searched: KeptWords | None = None,
    hold: Mapping[str, str] | None = None,
    typed: Mapping[str, str] | None = None,
    preview: Preview | None = None,
    error: AdsumError | None = None,
) -> Response:
    retention = await services.retention.show(context.school.id, context.caller)
    holds = await services.holds.page(context.caller, PageRequest(limit=MAX_LIMIT))
    ids = NamedIds(students={each.student_id for each in holds.items})
    searched = searched or KeptWords()
    found, has_more = await _found(services, context, searched.words)
    return site_of(request).page(
        *(request, "admin/retention.html"),
        status=status_with(error),
        context=context,
        visitor=context.visitor,
        retention=retention,
        first_month=retention.effective.first_month or FIRST_MONTH,
        kinds=list(Kind),
        typed=typed or _typed_of(retention.own),
        preview=preview,
        due=preview.items[:MAX_DUE] if preview else [],
        total=sum(due.count for due in preview.items) if preview else 0,
        holds=holds.items,
        searched=searched,
        found=found,
        has_more=has_more,
        hold=hold or {},
        names=await services.naming.names_of(ids, context.caller),
        reasons=list(HoldReason),
        readmitted=request.query_params.get("readmitted") == "true",
        max_years=MAX_YEARS,
        readmits_staff=may_erase(context.caller, Role.TEACHER, context.school.id),
        error=error,
    )
