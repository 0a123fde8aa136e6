"""`/year`: a school, a class and a student over a period, and lists of absent students.

With `format=` a page is the file of the API's list for the same selection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import Field, model_validator

from adsum.absences.page_data import AbsencePageData
from adsum.accounts.access import Caller, Permission
from adsum.accounts.audit.exports import ListExports
from adsum.accounts.visitors import Visitor, visitor_with
from adsum.attendance import endpoints as attendances
from adsum.platform.days import EARLIEST, today_in
from adsum.platform.errors import Invalid, NotFound
from adsum.platform.http.dependencies import Now, provided
from adsum.platform.http.list_files import FileKind, WantedFile
from adsum.platform.http.queries import Day, PageQuery, Words
from adsum.platform.http.schemas import PathId
from adsum.platform.pages.forms import redirect_to
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.platform.paging import MAX_LIMIT, PageRequest
from adsum.platform.texts import ListOrder, list_key, list_order
from adsum.reports import endpoints
from adsum.reports.endpoints import Exports, LeastDays, Percent, ReportsService
from adsum.reports.heat_maps import map_of_many, map_of_one
from adsum.reports.rules import (
    DEFAULT_CHRONIC_RULE,
    DEFAULT_STREAK_DAYS,
    ChronicRule,
    GroupBy,
    Rate,
    Scope,
    UsualDays,
)
from adsum.reports.service import Report, Reports
from adsum.reports.year import FilterOptions, Year
from adsum.roster.service import Directory
from adsum.schools.rules import School
from adsum.schools.service import Schools

router = APIRouter(prefix="/year", include_in_schema=False, route_class=PageRoute)
address_router = APIRouter(include_in_schema=False, route_class=PageRoute)

Id = Annotated[PathId, Path(alias="id")]
DirectoryService = Annotated[Directory, Depends(provided(Directory))]
PERIODS = (30, 90, 365)

Reader = Annotated[Visitor, Depends(visitor_with(Permission.ATTENDANCE_READ, Permission.ROSTER_READ))]
SchoolsService = Annotated[Schools, Depends(provided(Schools))]
YearService = Annotated[Year, Depends(provided(Year))]


class YearQuery(PageQuery):
    """The query of every page of reports. An empty text, which a form sends for an empty field, counts as None."""

    school: PathId | None = None
    first_day: Annotated[Day | None, Field(alias="from")] = None
    last_day: Annotated[Day | None, Field(alias="to")] = None
    class_id: Annotated[PathId | None, Field(alias="class")] = None
    grade: Words | None = None
    percent: Percent = DEFAULT_CHRONIC_RULE.percent
    least_days: LeastDays | None = None
    format: Literal["csv", "xlsx"] | None = None
    by: GroupBy = GroupBy.DAY

    @model_validator(mode="before")
    @classmethod
    def _without_empty_fields(cls, fields: Any) -> Any:
        return {name: value for name, value in fields.items() if value != ""}

    @property
    def file(self) -> str | None:
        """The `Accept` of the file that is requested, which people open in a spreadsheet; None for the page."""
        return None if self.format is None else WantedFile(FileKind[self.format.upper()], has_bom=True).accept

    @property
    def chronic_rule(self) -> ChronicRule:
        return ChronicRule(self.percent, self.least_days or DEFAULT_CHRONIC_RULE.least_days)

    @property
    def streak_days(self) -> int:
        return self.least_days or DEFAULT_STREAK_DAYS


RequestedQuery = Annotated[YearQuery, Query()]


@dataclass(frozen=True, slots=True)
class YearView:
    """The selection of a page, with defaults for the fields that the query leaves out.

    Attributes:
        schools: the schools that the visitor sees.
        school: the selected school.
        first_day, last_day: the period.
        newest: the last day with a record of the school, or of the student of the page, or None.
        year_begins: the first day of the school year of the newest day, or None.
        query: the query of the request.
        class_id: the class, or None.
        options: the filters that the page offers.
        violations: codes of violations of the period. With any, the page shows no report.
    """

    schools: Sequence[School]
    school: School
    first_day: date
    last_day: date
    newest: date | None
    year_begins: date | None
    query: YearQuery
    class_id: int | None
    options: FilterOptions
    violations: Sequence[str] = ()

    @property
    def has_days(self) -> bool:
        """Whether the page shows a report."""
        return self.newest is not None and not self.violations

    @property
    def scope(self) -> Scope:
        return Scope(self.school.id, self.first_day, self.last_day, self.class_id, None, self.query.grade)

    def scope_of_student(self, student_id: int) -> Scope:
        """The scope of one student in the same period."""
        return Scope(self.school.id, self.first_day, self.last_day, None, student_id)

    @property
    def lengths(self) -> Sequence[tuple[int, date]]:
        """Periods that the page offers: their length in days, and their first day. They end with the newest day."""
        return [] if self.newest is None else [(days, self.newest - timedelta(days=days - 1)) for days in PERIODS]

    @property
    def chronic_rule(self) -> ChronicRule:
        return self.query.chronic_rule

    def list_parameters(self) -> dict[str, Any]:
        """The query of the API's list for the same selection."""
        filters = {"classId": self.class_id, "grade": self.query.grade}
        return {"schoolId": self.school.id, "from": self.first_day, "to": self.last_day} | filters

    def link(self, path: str, **changes: object) -> str:
        """The address of a page with the same selection. A change to None removes a parameter."""
        selection: dict[str, object] = {
            "school": self.school.id if len(self.schools) > 1 else None,
            "from": self.first_day,
            "to": self.last_day,
            "class": self.query.class_id,
            "grade": self.query.grade,
        }
        parameters = {name: value for name, value in (selection | changes).items() if value is not None}
        return f"{path}?{urlencode(parameters)}"

    def one(self, path: str, **changes: object) -> str:
        """The address of the page of one class or student in the same period, without the other filters."""
        return self.link(path, **({"school": None, "class": None, "grade": None} | changes))


@dataclass(frozen=True, slots=True)
class ViewReader:
    """Reads the selection of a page from its query."""

    schools: Schools
    year: Year
    caller: Caller
    query: YearQuery
    now: datetime

    async def of_one(self, school_id: int, class_id: int | None = None, student_id: int | None = None) -> YearView:
        """The selection of the page of a class or student of this school. Raises NotFound for an invisible school."""
        view = await self.read(school_id, class_id, student_id)
        assert view is not None
        return view

    async def read(
        self, school_id: int | None = None, class_id: int | None = None, student_id: int | None = None
    ) -> YearView | None:
        """The selection; None if there is no school yet.

        Raises:
            NotFound: there is no such school, or the visitor does not see it.
        """
        schools = (await self.schools.page(self.caller, PageRequest(limit=MAX_LIMIT))).items
        wanted = school_id or self.query.school
        if not schools and wanted is None:
            return None
        school = next((each for each in schools if wanted in (None, each.id)), None)
        if school is None:
            raise NotFound(f"there is no school {wanted}", schoolId=wanted)
        usual = await self.year.usual_days(school.id, self.caller, student_id)
        today = today_in(school.time_zone, self.now)
        view = _without_options(schools, school, usual, self.query, class_id, today)
        try:
            return replace(view, options=await self.year.filter_options(view.scope, self.caller))
        except Invalid as error:
            return replace(view, violations=[violation.code for violation in error.violations])


async def _view_reader(
    schools: SchoolsService, year: YearService, visitor: Reader, query: RequestedQuery, now: Now
) -> ViewReader:
    return ViewReader(schools, year, visitor.caller, query, now)


RequestedView = Annotated[ViewReader, Depends(_view_reader)]


def _without_options(
    schools: Sequence[School],
    school: School,
    usual: UsualDays | None,
    query: YearQuery,
    class_id: int | None,
    today: date,
) -> YearView:
    newest = usual.last if usual is not None else None
    last_day = query.last_day or newest or query.first_day or today
    return YearView(
        schools=sorted(schools, key=lambda each: list_key(each.name)),
        school=school,
        first_day=query.first_day or (usual.first if usual is not None else last_day),
        last_day=last_day,
        newest=newest,
        year_begins=usual.first if usual is not None and usual.is_year else None,
        query=query,
        class_id=class_id or query.class_id,
        options=FilterOptions(classes=[], grades=[]),
    )


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
    return site_of(request).page(request, "year/class.html", visitor=visitor, view=view, of=found, **context)


@router.get("/students/{id}")
async def student_page(
    *,
    request: Request,
    reading: RequestedView,
    directory: DirectoryService,
    records: attendances.RecordsService,
    year: YearService,
    reports: ReportsService,
    absences: Annotated[AbsencePageData, Depends(provided(AbsencePageData))],
    visitor: Reader,
    student_id: Id,
) -> Response:
    """The record of one student, for printing."""
    found = await directory.find_student(visitor.caller, student_id)
    view = await reading.of_one(found.school_id, student_id=student_id)
    if (file := view.query.file) is not None:
        days = {"from": view.first_day, "to": view.last_day}
        query = attendances.RecordQuery.model_validate({"studentId": student_id} | days)
        return _file(await attendances.list_attendances(query, records, visitor.caller, Response(), file))
    since = EARLIEST if view.newest is None else view.first_day  # without records, every planned absence
    planned = await absences.of_student(found.school_id, student_id, since, visitor.caller)
    context: dict[str, Any] = {"record": None, "planned": planned}
    if view.has_days:
        scope = view.scope_of_student(student_id)
        record = await reports.student(scope, student_id, view.chronic_rule, visitor.caller)
        days = {day.day: day.counts for day in record.days}
        context |= {
            "record": record,
            "marks": await year.marks(scope, visitor.caller),
            "map": map_of_one(view.first_day, view.last_day, days),
        }
    return site_of(request).page(request, "year/student.html", visitor=visitor, view=view, of=found, **context)


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
        return await endpoints.chronic(query, reports, exports, caller, file)
    report = None
    if view is not None and view.has_days:
        report = await reports.chronic(view.scope, view.chronic_rule, caller, view.query.page)
    return _list_page(request, "chronic", visitor, view, report)


@router.get("/unexplained")
async def unexplained_page(
    request: Request, reading: RequestedView, reports: ReportsService, exports: Exports, visitor: Reader
) -> Any:
    """Unexplained absences, one row for each student and day, the newest day first."""
    view, caller = await reading.read(), visitor.caller
    if view is not None and (file := view.query.file) is not None:
        query = endpoints.ReportQuery.model_validate(view.list_parameters())
        return await endpoints.unexplained(query, reports, exports, caller, file)
    report = None
    if view is not None and view.has_days:
        report = await reports.unexplained(view.scope, caller, view.query.page)
    return _list_page(request, "unexplained", visitor, view, report)


@router.get("/in-a-row")
async def in_a_row_page(
    request: Request, reading: RequestedView, reports: ReportsService, exports: Exports, visitor: Reader
) -> Any:
    """Students who are absent on each of their newest days, the most days first."""
    view, caller = await reading.read(), visitor.caller
    least_days = reading.query.streak_days
    if view is not None and (file := view.query.file) is not None:
        query = endpoints.StreaksQuery.model_validate(view.list_parameters() | {"leastDays": least_days})
        return await endpoints.streaks(query, reports, exports, caller, file)
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
    return _file(await endpoints.rates(query, reports, exports, visitor.caller, file))


def _file(answer: object) -> Response:
    assert isinstance(answer, Response)
    return answer


def _list_page(
    request: Request, name: str, visitor: Visitor, view: YearView | None, report: Report[Any] | None, **context: Any
) -> Any:
    template, tab = f"year/{name}.html", f"/year/{name}"
    return site_of(request).page(request, template, visitor=visitor, view=view, report=report, tab=tab, **context)
