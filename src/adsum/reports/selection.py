"""The selection of the pages of reports: a school, a period and filters, from the query of the request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import Depends, Query
from pydantic import Field, model_validator

from adsum.absences.unexplained import MAX_EXPLAINED
from adsum.accounts.access import Caller, Permission
from adsum.accounts.visitors import Visitor, visitor_with
from adsum.platform.days import today_in
from adsum.platform.errors import Invalid, NotFound
from adsum.platform.http.dependencies import Now, provided
from adsum.platform.http.list_files import FileKind, WantedFile
from adsum.platform.http.queries import Day, PageQuery, Words
from adsum.platform.http.schemas import PathId
from adsum.platform.paging import MAX_LIMIT, PageRequest
from adsum.platform.texts import list_key
from adsum.reports.endpoints import LeastDays, Percent
from adsum.reports.explaining import StudentDayText
from adsum.reports.rules import (
    DEFAULT_CHRONIC_RULE,
    DEFAULT_STREAK_DAYS,
    ChronicRule,
    Extent,
    GroupBy,
    Scope,
    UsualDays,
)
from adsum.reports.year import FilterOptions, Year
from adsum.schools.rules import School
from adsum.schools.service import Schools

PERIODS = (30, 90, 365)

Reader = Annotated[Visitor, Depends(visitor_with(Permission.ATTENDANCE_READ, Permission.ROSTER_READ))]
SchoolsService = Annotated[Schools, Depends(provided(Schools))]
YearService = Annotated[Year, Depends(provided(Year))]


class YearQuery(PageQuery):
    """The query of every page of reports. An empty text, which a form sends for an empty field, counts as None.

    Attributes:
        extent: of the list of unexplained absences.
        every: shows every mark of a student, not only absences, late arrivals and early departures.
        done: names the correction that led back to the page.
        explained: the absences that the visitor has just explained, and sees in their place; `at`: where they are.
    """

    school: PathId | None = None
    first_day: Annotated[Day | None, Field(alias="from")] = None
    last_day: Annotated[Day | None, Field(alias="to")] = None
    class_id: Annotated[PathId | None, Field(alias="class")] = None
    grade: Words | None = None
    percent: Percent = DEFAULT_CHRONIC_RULE.percent
    least_days: LeastDays | None = None
    format: Literal["csv", "xlsx"] | None = None
    by: GroupBy = GroupBy.DAY
    extent: Extent | None = None
    every: bool = False
    done: Words = ""
    explained: Annotated[tuple[StudentDayText, ...], Field(max_length=MAX_EXPLAINED)] = ()
    at: Words = ""

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
        today: of the school.
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
    today: date
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
        today=today,
        options=FilterOptions(classes=[], grades=[]),
    )
