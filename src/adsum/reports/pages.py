"""`/year`: a school, a class and a student over a period, and lists of absent students.

With `format=` a page is the file of the API's list for the same selection.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response

from adsum.accounts.visitors import Visitor
from adsum.attendance import endpoints as attendances
from adsum.platform.http.dependencies import OpenAdsum, provided
from adsum.platform.http.list_files import FileKind
from adsum.platform.http.schemas import PathId
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.reports import endpoints
from adsum.reports.endpoints import ReportsService
from adsum.reports.heat_maps import map_of_many, map_of_one
from adsum.reports.page_view import Reader, RequestedView, YearService, YearView
from adsum.reports.rules import Rate
from adsum.reports.service import Report, Reports
from adsum.reports.year import Year
from adsum.roster.service import Directory

router = APIRouter(prefix="/year", include_in_schema=False, route_class=PageRoute)

Id = Annotated[PathId, Path(alias="id")]
DirectoryService = Annotated[Directory, Depends(provided(Directory))]


@router.get("")
async def school_page(
    request: Request, reading: RequestedView, year: YearService, reports: ReportsService, visitor: Reader
) -> Any:
    """A school over a period."""
    view = await reading.read()
    if view is not None and view.query.file is not None:
        return await _rates_file(reports, visitor, view, view.query.file)
    context = await _overview(year, visitor, view)
    return site_of(request).page(request, "year/school.html", visitor=visitor, view=view, tab="/year", **context)


@router.get("/classes/{id}")
async def class_page(
    request: Request,
    reading: RequestedView,
    directory: DirectoryService,
    year: YearService,
    reports: ReportsService,
    visitor: Reader,
    class_id: Id,
) -> Any:
    """A class over a period, the students with the lowest rate first."""
    found = await directory.class_of(visitor.caller, class_id)
    view = await reading.of_one(found.school_id, class_id)
    if view.query.file is not None:
        return await _rates_file(reports, visitor, view, view.query.file)
    context = await _overview(year, visitor, view)
    return site_of(request).page(request, "year/class.html", visitor=visitor, view=view, of=found, **context)


@router.get("/students/{id}")
async def student_page(
    request: Request,
    reading: RequestedView,
    directory: DirectoryService,
    adsum: OpenAdsum,
    year: YearService,
    reports: ReportsService,
    visitor: Reader,
    student_id: Id,
) -> Response:
    """The record of one student, for printing."""
    found = await directory.student(visitor.caller, student_id)
    view = await reading.of_one(found.school_id)
    if (file := view.query.file) is not None:
        query = attendances.RecordQuery(student_id=student_id, first_day=view.first_day, last_day=view.last_day)
        return _file(await attendances.list_attendances(query, adsum, visitor.caller, Response(), file))
    context: dict[str, Any] = {"record": None}
    if view.has_days:
        scope = view.scope_of_student(student_id)
        record = await reports.student(scope, student_id, view.chronic_rule, visitor.caller)
        days = {day.day: day.counts for day in record.days}
        context = {
            "record": record,
            "marks": await year.marks(scope, visitor.caller),
            "map": map_of_one(view.first_day, view.last_day, days),
        }
    return site_of(request).page(request, "year/student.html", visitor=visitor, view=view, of=found, **context)


@router.get("/chronic")
async def chronic_page(request: Request, reading: RequestedView, reports: ReportsService, visitor: Reader) -> Any:
    """Students who are chronically absent, the most absent days first."""
    view, caller = await reading.read(), visitor.caller
    if view is not None and (file := view.query.file) is not None:
        rule = view.chronic_rule
        query = endpoints.ChronicQuery(percent=rule.percent, least_days=rule.least_days, **view.list_parameters())
        return await endpoints.chronic(query, reports, caller, file)
    report = None
    if view is not None and view.has_days:
        report = await reports.chronic(view.scope, view.chronic_rule, caller, view.query.page)
    return _list_page(request, "chronic", visitor, view, report)


@router.get("/unexplained")
async def unexplained_page(request: Request, reading: RequestedView, reports: ReportsService, visitor: Reader) -> Any:
    """Unexplained absences, one row for each student and day, the newest day first."""
    view, caller = await reading.read(), visitor.caller
    if view is not None and (file := view.query.file) is not None:
        query = endpoints.ReportQuery(**view.list_parameters())
        return await endpoints.unexplained(query, reports, caller, file)
    report = None
    if view is not None and view.has_days:
        report = await reports.unexplained(view.scope, caller, view.query.page)
    return _list_page(request, "unexplained", visitor, view, report)


@router.get("/in-a-row")
async def in_a_row_page(request: Request, reading: RequestedView, reports: ReportsService, visitor: Reader) -> Any:
    """Students who are absent on each of their newest days, the most days first."""
    view, caller = await reading.read(), visitor.caller
    least_days = reading.query.streak_days
    if view is not None and (file := view.query.file) is not None:
        query = endpoints.StreaksQuery(**view.list_parameters(), least_days=least_days)
        return await endpoints.streaks(query, reports, caller, file)
    report = None
    if view is not None and view.has_days:
        report = await reports.streaks(view.scope, least_days, caller, view.query.page)
    return _list_page(request, "in-a-row", visitor, view, report, least=least_days)


async def _overview(year: Year, visitor: Visitor, view: YearView | None) -> dict[str, Any]:
    if view is None or not view.has_days:
        return {"overview": None}
    overview = await year.overview(view.scope, view.chronic_rule, visitor.caller)
    return {
        "overview": overview,
        "map": map_of_many(view.first_day, view.last_day, overview.days),
        "students": sorted(overview.students, key=_lowest_rate_first),
    }


def _lowest_rate_first(rate: Rate) -> tuple[float, str]:
    return rate.counts.attendance_rate or 0, rate.name or ""


async def _rates_file(reports: Reports, visitor: Visitor, view: YearView, file: FileKind) -> Response:
    query = endpoints.RatesQuery(by=view.query.by, **view.list_parameters())
    return _file(await endpoints.rates(query, reports, visitor.caller, file))


def _file(answer: object) -> Response:
    assert isinstance(answer, Response)
    return answer


def _list_page(
    request: Request, name: str, visitor: Visitor, view: YearView | None, report: Report[Any] | None, **context: Any
) -> Any:
    template, tab = f"year/{name}.html", f"/year/{name}"
    return site_of(request).page(request, template, visitor=visitor, view=view, report=report, tab=tab, **context)
