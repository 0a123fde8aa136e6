"""Lists of students over a period: chronically absent, absent day after day, and absences that nobody has explained."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from adsum.accounts.visitors import Visitor
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.reports import endpoints as reports
from adsum.reports.page_view import Asked, YearView, view_of
from adsum.reports.pages import Reader
from adsum.reports.service import Report

router = APIRouter(prefix="/year", include_in_schema=False, route_class=PageRoute)

IN_A_ROW = 3


@router.get("/chronic")
async def chronic_page(request: Request, adsum: OpenAdsum, visitor: Reader, query: Asked) -> Any:
    """Students who are chronically absent, those with the most days first."""
    view, caller = await view_of(adsum, visitor.caller, query), visitor.caller
    if view is not None and query.file is not None:
        rule = view.chronic_rule
        asked = reports.ChronicQuery(percent=rule.percent, least_days=rule.least_days, **view.of_list())
        return await reports.chronic(asked, adsum, caller, query.file)
    report = None
    if view is not None and view.has_days:
        report = await adsum.reports.chronic(view.scope, view.chronic_rule, caller, query.page)
    return _page(request, "chronic", visitor, view, report)


@router.get("/unexplained")
async def unexplained_page(request: Request, adsum: OpenAdsum, visitor: Reader, query: Asked) -> Any:
    """One line a student and day, the newest day first."""
    view, caller = await view_of(adsum, visitor.caller, query), visitor.caller
    if view is not None and query.file is not None:
        return await reports.unexplained(reports.ReportQuery(**view.of_list()), adsum, caller, query.file)
    report = None
    if view is not None and view.has_days:
        report = await adsum.reports.unexplained(view.scope, caller, query.page)
    return _page(request, "unexplained", visitor, view, report)


@router.get("/in-a-row")
async def in_a_row_page(request: Request, adsum: OpenAdsum, visitor: Reader, query: Asked) -> Any:
    """Students who are absent day after day, those with the most days first."""
    view, caller = await view_of(adsum, visitor.caller, query), visitor.caller
    least = query.least_days or IN_A_ROW
    if view is not None and query.file is not None:
        asked = reports.StreaksQuery(**view.of_list(), least_days=least)
        return await reports.streaks(asked, adsum, caller, query.file)
    report = None
    if view is not None and view.has_days:
        report = await adsum.reports.streaks(view.scope, least, caller, query.page)
    return _page(request, "in-a-row", visitor, view, report, least=least)


def _page(
    request: Request, name: str, visitor: Visitor, view: YearView | None, report: Report[Any] | None, **shown: Any
) -> Any:
    template, tab = f"year/{name}.html", f"/year/{name}"
    return site_of(request).page(request, template, visitor=visitor, view=view, report=report, tab=tab, **shown)
