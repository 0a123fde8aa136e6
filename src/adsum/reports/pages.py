"""`/year`: a school, a class and a student over the year. With `format=` each is the file of the API."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response

from adsum.accounts.access import Permission
from adsum.accounts.visitors import Visitor, visitor_with
from adsum.attendance import endpoints as attendances
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.list_files import FileKind
from adsum.platform.http.schemas import PathId
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.reports import endpoints as reports
from adsum.reports.heat_maps import map_of_many, map_of_one
from adsum.reports.page_view import Asked, YearView, view_of
from adsum.reports.rates import Rate
from adsum.wiring import Adsum

router = APIRouter(prefix="/year", include_in_schema=False, route_class=PageRoute)

Reader = Annotated[Visitor, Depends(visitor_with(Permission.ATTENDANCE_READ, Permission.ROSTER_READ))]
Id = Annotated[PathId, Path(alias="id")]


@router.get("")
async def school_page(request: Request, adsum: OpenAdsum, visitor: Reader, query: Asked) -> Any:
    """A school over a period."""
    view = await view_of(adsum, visitor.caller, query)
    if view is not None and query.file is not None:
        return await _rates_file(adsum, visitor, view, query.file)
    shown = await _overview(adsum, visitor, view)
    return site_of(request).page(request, "year/school.html", visitor=visitor, view=view, tab="/year", **shown)


@router.get("/classes/{id}")
async def class_page(request: Request, adsum: OpenAdsum, visitor: Reader, query: Asked, class_id: Id) -> Any:
    """A class over a period; the students who attended least stand first."""
    found = await adsum.directory.class_of(visitor.caller, class_id)
    view = await view_of(adsum, visitor.caller, query, school_id=found.school_id, class_id=class_id)
    if view is not None and query.file is not None:
        return await _rates_file(adsum, visitor, view, query.file)
    shown = await _overview(adsum, visitor, view)
    return site_of(request).page(request, "year/class.html", visitor=visitor, view=view, of=found, **shown)


@router.get("/students/{id}")
async def student_page(request: Request, adsum: OpenAdsum, visitor: Reader, query: Asked, student_id: Id) -> Response:
    """One student's record, made to be printed."""
    found = await adsum.directory.student(visitor.caller, student_id)
    view = await view_of(adsum, visitor.caller, query, school_id=found.school_id)
    assert view is not None
    if query.file is not None:
        asked = attendances.RecordQuery(student_id=student_id, first_day=view.first_day, last_day=view.last_day)
        return _file(await attendances.list_attendances(asked, adsum, visitor.caller, Response(), query.file))
    shown: dict[str, Any] = {"record": None}
    if view.has_days:
        scope = view.scope_of(student_id)
        record = await adsum.reports.student(scope, student_id, view.chronic_rule, visitor.caller)
        days = {day.day: day.counts for day in record.days}
        shown = {
            "record": record,
            "marks": await adsum.year.marks(scope, visitor.caller),
            "map": map_of_one(view.first_day, view.last_day, days),
        }
    return site_of(request).page(request, "year/student.html", visitor=visitor, view=view, of=found, **shown)


async def _overview(adsum: Adsum, visitor: Visitor, view: YearView | None) -> dict[str, Any]:
    if view is None or not view.has_days:
        return {"overview": None}
    overview = await adsum.year.overview(view.scope, view.chronic_rule, visitor.caller)
    return {
        "overview": overview,
        "map": map_of_many(view.first_day, view.last_day, overview.days),
        "students": sorted(overview.students, key=_least_attended),
    }


def _least_attended(rate: Rate) -> tuple[float, str]:
    return rate.counts.attendance_rate or 0, rate.name or ""


async def _rates_file(adsum: Adsum, visitor: Visitor, view: YearView, file: FileKind) -> Response:
    asked = reports.RatesQuery(by=view.query.by, **view.of_list())
    return _file(await reports.rates(asked, adsum, visitor.caller, file))


def _file(answer: object) -> Response:
    assert isinstance(answer, Response)
    return answer
