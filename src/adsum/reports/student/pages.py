"""`/year/students/{id}`: the page of a student, where the office explains absences and records are corrected."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Path, Request, Response

from adsum.absences.unexplained import UnexplainedAbsences
from adsum.accounts.visitors import OfficeVisitor, Visitor
from adsum.attendance import endpoints as attendances
from adsum.platform.days import EARLIEST
from adsum.platform.errors import Invalid
from adsum.platform.http.dependencies import provided
from adsum.platform.http.schemas import PathId
from adsum.platform.pages.forms import redirect_to, status_with
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.reports.explaining import ExplanationForm, address_after, student_days
from adsum.reports.heat_maps import map_of_one
from adsum.reports.selection import Reader, RequestedView, ViewReader
from adsum.reports.student.page_data import StudentPageData
from adsum.roster.service import Directory

router = APIRouter(prefix="/year/students", include_in_schema=False, route_class=PageRoute)

Id = Annotated[PathId, Path(alias="id")]
DirectoryService = Annotated[Directory, Depends(provided(Directory))]
PageDataService = Annotated[StudentPageData, Depends(provided(StudentPageData))]


@router.get("/{id}")
async def student_page(
    request: Request,
    reading: RequestedView,
    directory: DirectoryService,
    records: attendances.RecordsService,
    page_data: PageDataService,
    visitor: Reader,
    student_id: Id,
) -> Response:
    """The page. With `format`, the file of the records."""
    if reading.query.file is None:
        return await _page(request, reading, directory, page_data, visitor, student_id)
    found = await directory.find_student(visitor.caller, student_id)
    view = await reading.of_one(found.school_id, student_id=student_id)
    days = {"from": view.first_day, "to": view.last_day}
    query = attendances.RecordQuery.model_validate({"studentId": student_id} | days)
    file = await attendances.list_attendances(query, records, visitor.caller, Response(), reading.query.file)
    assert isinstance(file, Response)
    return file


@router.post("/{id}/explain")
async def explain(
    request: Request,
    reading: RequestedView,
    directory: DirectoryService,
    page_data: PageDataService,
    unexplained_absences: Annotated[UnexplainedAbsences, Depends(provided(UnexplainedAbsences))],
    visitor: OfficeVisitor,
    student_id: Id,
    form: Annotated[ExplanationForm, Form()],
) -> Response:
    """Explains the chosen absences. The query is that of the page."""
    try:
        await unexplained_absences.explain(form.school, form.student_days, form.status, form.reason, visitor.caller)
    except Invalid as error:
        return await _page(request, reading, directory, page_data, visitor, student_id, form, error)
    return redirect_to(address_after(form.back, form.absence, form.explained))


async def _page(
    request: Request,
    reading: ViewReader,
    directory: Directory,
    page_data: StudentPageData,
    visitor: Visitor,
    student_id: int,
    typed: ExplanationForm | None = None,
    error: Invalid | None = None,
) -> Response:
    caller = visitor.caller
    student = await directory.find_student(caller, student_id)
    view = await reading.of_one(student.school_id, student_id=student_id)
    since = EARLIEST if view.newest is None else view.first_day  # without records, every planned absence
    context: dict[str, Any] = {"period": None, "map": None}
    if view.has_days:
        shown = student_days([*view.query.explained, *(typed.explained if typed else ())])
        scope = view.scope_of_student(student_id)
        period = await page_data.period(scope, view.chronic_rule, caller, every=view.query.every, explained=shown)
        counts = {day.day: day.counts for day in period.record.days}
        context = {"period": period, "map": map_of_one(view.first_day, view.last_day, counts)}
    return site_of(request).page(
        *(request, "year/student.html"),
        status=status_with(error),
        visitor=visitor,
        view=view,
        student=student,
        around=await page_data.surroundings(student, since, view.today, caller),
        typed=typed,
        error=error,
        **context,
    )
