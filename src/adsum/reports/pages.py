"""`/year`: a school and a class over a period, and lists of absent students.

With `format=` a page is the file of the API's list for the same selection.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response

from adsum.accounts.audit.exports import ListExports
from adsum.accounts.visitors import Visitor
from adsum.platform.http.dependencies import provided
from adsum.platform.http.schemas import PathId
from adsum.platform.pages.forms import redirect_to
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.platform.texts import ListOrder, list_order
from adsum.reports import endpoints
from adsum.reports.endpoints import Exports, ReportsService
from adsum.reports.heat_maps import map_of_many
from adsum.reports.rules import Rate
from adsum.reports.selection import Reader, RequestedView, YearService, YearView
from adsum.reports.service import Report, Reports
from adsum.reports.year import Year
from adsum.roster.service import Directory

router = APIRouter(prefix="/year", include_in_schema=False, route_class=PageRoute)
address_router = APIRouter(include_in_schema=False, route_class=PageRoute)

Id = Annotated[PathId, Path(alias="id")]
DirectoryService = Annotated[Directory, Depends(provided(Directory))]


@address_router.get("/reports")
async def reports_address(_visitor: Reader) -> Response:
    """Leads to the reports of the year: people guess this address, under which the API has its reports."""
    return redirect_to("/year")


@router.get("")
async def school_page(
    request: Request,
    reading: RequestedView,
    year: YearService,
    reports: ReportsService,
    exports: Exports,
    visitor: Reader,
) -> Any:
    """A school over a period."""
    view = await reading.read()
    if view is not None and view.query.file is not None:
        return await _rates_file(reports, exports, visitor, view, view.query.file)
    context = await _overview(year, visitor, view)
    return site_of(request).page(request, "year/school.html", visitor=visitor, view=view, tab="/year", **context)


@router.get("/classes/{id}")
async def class_page(
    request: Request,
    reading: RequestedView,
    directory: DirectoryService,
    year: YearService,
    reports: ReportsService,
    exports: Exports,
    visitor: Reader,
    class_id: Id,
) -> Any:
    """A class over a period, the students with the lowest rate first."""
    found = await directory.find_class_of_any_day(visitor.caller, class_id)
    view = await reading.of_one(found.school_id, class_id)
    if view.query.file is not None:
        return await _rates_file(reports, exports, visitor, view, view.query.file)
    context = await _overview(year, visitor, view)
    return site_of(request).page(request, "year/class.html", visitor=visitor, view=view, school_class=found, **context)


@router.get("/chronic")
async def chronic_page(
    request: Request, reading: RequestedView, reports: ReportsService, exports: Exports, visitor: Reader
) -> Any:
    """Students who are chronically absent, the most absent days first."""
    view, caller = await reading.read(), visitor.caller
    if view is not None and (file := view.query.file) is not None:
        rule = view.chronic_rule
        limits = {"percent": rule.percent, "leastDays": rule.least_days}
        query = endpoints.ChronicQuery.model_validate(view.list_parameters() | limits)
        return await endpoints.list_chronic_absence(query, reports, exports, caller, file)
    report = None
    if view is not None and view.has_days:
        report = await reports.chronic(view.scope, view.chronic_rule, caller, view.query.page)
    return _list_page(request, "chronic", visitor, view, report)


@router.get("/in-a-row")
async def in_a_row_page(
    request: Request, reading: RequestedView, reports: ReportsService, exports: Exports, visitor: Reader
) -> Any:
    """Students who are absent on each of their newest days, the most days first."""
    view, caller = await reading.read(), visitor.caller
    least_days = reading.query.streak_days
    if view is not None and (file := view.query.file) is not None:
        query = endpoints.StreaksQuery.model_validate(view.list_parameters() | {"leastDays": least_days})
        return await endpoints.list_absences_in_a_row(query, reports, exports, caller, file)
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


def _lowest_rate_first(rate: Rate) -> tuple[bool, float, ListOrder]:
    """Students without any mark have no rate, and come last."""
    percent = rate.counts.attendance_rate
    return percent is None, percent or 0, list_order(rate.name or "")


async def _rates_file(reports: Reports, exports: ListExports, visitor: Visitor, view: YearView, file: str) -> Response:
    query = endpoints.RatesQuery.model_validate(view.list_parameters() | {"by": view.query.by})
    return _file(await endpoints.list_rates(query, reports, exports, visitor.caller, file))


def _file(answer: object) -> Response:
    assert isinstance(answer, Response)
    return answer


def _list_page(
    request: Request, name: str, visitor: Visitor, view: YearView | None, report: Report[Any] | None, **context: Any
) -> Any:
    template, tab = f"year/{name}.html", f"/year/{name}"
    return site_of(request).page(request, template, visitor=visitor, view=view, report=report, tab=tab, **context)
