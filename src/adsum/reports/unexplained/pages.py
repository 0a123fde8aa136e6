"""`/year/unexplained`: the list of unexplained absences, where the office explains one or several."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Request, Response

from adsum.absences.unexplained import UnexplainedAbsences
from adsum.accounts.visitors import OfficeVisitor, Visitor
from adsum.platform.errors import Invalid
from adsum.platform.http.dependencies import provided
from adsum.platform.pages.forms import redirect_to, status_with
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.reports import endpoints
from adsum.reports.endpoints import Exports, ReportsService
from adsum.reports.explaining import ExplanationForm, UndoForm, address_after, student_days
from adsum.reports.selection import Reader, RequestedView, ViewReader
from adsum.reports.unexplained.page_data import UnexplainedPageData

PATH = "/year/unexplained"

router = APIRouter(prefix=PATH, include_in_schema=False, route_class=PageRoute)

UnexplainedService = Annotated[UnexplainedAbsences, Depends(provided(UnexplainedAbsences))]
ListService = Annotated[UnexplainedPageData, Depends(provided(UnexplainedPageData))]


@router.get("")
async def list_page(
    request: Request,
    reading: RequestedView,
    reports: ReportsService,
    exports: Exports,
    lists: ListService,
    visitor: Reader,
) -> Any:
    """Unexplained absences, one row for each student and day, the newest day first."""
    view = await reading.read()
    if view is not None and (file := view.query.file) is not None:
        query = endpoints.UnexplainedQuery.model_validate(view.list_parameters() | {"extent": view.query.extent})
        return await endpoints.list_unexplained_absences(query, reports, exports, visitor.caller, file)
    return await _page(request, reading, lists, visitor)


@router.post("/explain")
async def explain(
    request: Request,
    reading: RequestedView,
    lists: ListService,
    unexplained_absences: UnexplainedService,
    visitor: OfficeVisitor,
    form: Annotated[ExplanationForm, Form()],
) -> Response:
    """Explains the chosen absences. The query is that of the page."""
    try:
        await unexplained_absences.explain(form.school, form.student_days, form.status, form.reason, visitor.caller)
    except Invalid as error:
        return await _page(request, reading, lists, visitor, form, error)
    return redirect_to(address_after(form.back, form.absence, form.explained))


@router.post("/undo")
async def undo(
    unexplained_absences: UnexplainedService, visitor: OfficeVisitor, form: Annotated[UndoForm, Form()]
) -> Response:
    """Takes explanations back, and returns to the page with the list."""
    await unexplained_absences.undo(form.school, student_days(form.absence), visitor.caller)
    return redirect_to(address_after(form.back, form.absence))


async def _page(
    request: Request,
    reading: ViewReader,
    lists: UnexplainedPageData,
    visitor: Visitor,
    typed: ExplanationForm | None = None,
    error: Invalid | None = None,
) -> Response:
    view = await reading.read()
    absences = None
    if view is not None and view.has_days:
        query = view.query
        shown = student_days([*query.explained, *(typed.explained if typed else ())])
        absences = await lists.read(view.scope, visitor.caller, query.page, extent=query.extent, explained=shown)
    return site_of(request).page(
        *(request, "year/unexplained.html"),
        status=status_with(error),
        visitor=visitor,
        view=view,
        absences=absences,
        typed=typed,
        error=error,
        tab=PATH,
    )
