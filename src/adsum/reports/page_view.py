"""Of what a page of reports is: the school, the days, what it is narrowed to; and the addresses that keep all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import Query
from pydantic import Field, model_validator

from adsum.accounts.access import Caller
from adsum.platform.errors import Invalid, NotFound
from adsum.platform.http.list_files import FileKind
from adsum.platform.http.queries import Day, PageQuery, Words
from adsum.platform.http.schemas import PathId
from adsum.platform.paging import MAX_LIMIT, PageRequest
from adsum.reports.endpoints import LeastDays, Percent
from adsum.reports.rules import ChronicRule, GroupBy, Scope, UsualDays
from adsum.reports.year import Choices
from adsum.schools.rules import School
from adsum.wiring import Adsum

LENGTHS = (30, 90, 365)
# Where nothing is recorded nobody sees which day stands for it.
NO_DAY = date(2000, 1, 1)


class YearQuery(PageQuery):
    """The query of every page of reports. A form sends a field that is left empty as an empty text: it is not asked."""

    school: PathId | None = None
    first_day: Annotated[Day | None, Field(alias="from")] = None
    last_day: Annotated[Day | None, Field(alias="to")] = None
    class_id: Annotated[PathId | None, Field(alias="class")] = None
    grade: Words | None = None
    percent: Percent = 10
    least_days: LeastDays | None = None
    format: Literal["csv", "xlsx"] | None = None
    by: GroupBy = GroupBy.DAY

    @model_validator(mode="before")
    @classmethod
    def _without_empty_fields(cls, asked: Any) -> Any:
        return {name: value for name, value in asked.items() if value != ""}

    @property
    def file(self) -> FileKind | None:
        """As which kind of file it is asked for; None: as a page."""
        return None if self.format is None else FileKind[self.format.upper()]

    @property
    def chronic_rule(self) -> ChronicRule:
        usual = ChronicRule()
        return ChronicRule(self.percent, self.least_days or usual.least_days)


Asked = Annotated[YearQuery, Query()]


@dataclass(frozen=True, slots=True)
class YearView:
    """What was asked for, with what was left open filled in.

    Attributes:
        schools: that the visitor sees.
        school: the one in question.
        first_day, last_day: of the report.
        newest: the last day on which anything was taken; None: nothing ever was.
        year_begins: the first day of the school year with the newest one; None: there is none.
        query: as it was asked.
        class_id: of the class.
        choices: to what the visitor can narrow it.
        violations: codes of what is wrong with the days; then there is nothing to show.
    """

    schools: Sequence[School]
    school: School
    first_day: date
    last_day: date
    newest: date | None
    year_begins: date | None
    query: YearQuery
    class_id: int | None
    choices: Choices
    violations: Sequence[str] = ()

    @property
    def has_days(self) -> bool:
        """Whether there can be a report."""
        return self.newest is not None and not self.violations

    @property
    def scope(self) -> Scope:
        return Scope(self.school.id, self.first_day, self.last_day, self.class_id, None, self.query.grade)

    def scope_of(self, student_id: int) -> Scope:
        """Of one student, on the same days."""
        return Scope(self.school.id, self.first_day, self.last_day, None, student_id)

    @property
    def lengths(self) -> Sequence[tuple[int, date]]:
        """Usual lengths in days, and on which day each begins so that it ends with the newest."""
        return [] if self.newest is None else [(days, self.newest - timedelta(days=days - 1)) for days in LENGTHS]

    @property
    def chronic_rule(self) -> ChronicRule:
        return self.query.chronic_rule

    def of_list(self) -> dict[str, Any]:
        """The parameters of a list of the API that is of the same."""
        narrowed = {"class_id": self.class_id, "grade": self.query.grade}
        return {"school_id": self.school.id, "first_day": self.first_day, "last_day": self.last_day} | narrowed

    def link(self, path: str, **changes: object) -> str:
        """A page of reports of the same; with a change to None without that."""
        same: dict[str, object] = {
            "school": self.school.id if len(self.schools) > 1 else None,
            "from": self.first_day,
            "to": self.last_day,
            "class": self.query.class_id,
            "grade": self.query.grade,
        }
        asked = {name: value for name, value in (same | changes).items() if value is not None}
        return f"{path}?{urlencode(asked)}"

    def one(self, path: str, **changes: object) -> str:
        """The page of one class or student on the same days: which school that is need not be said."""
        return self.link(path, **({"school": None, "class": None, "grade": None} | changes))


async def view_of(
    adsum: Adsum, caller: Caller, query: YearQuery, *, school_id: int | None = None, class_id: int | None = None
) -> YearView | None:
    """What a page shows; None: there is no school yet.

    Args:
        adsum: the services.
        caller: who looks.
        query: what was asked for.
        school_id: of a page of one class or student, their school.
        class_id: of a page of one class.

    Raises:
        NotFound: there is no such school, or the visitor does not see it.
    """
    schools = (await adsum.schools.page(caller, PageRequest(limit=MAX_LIMIT))).items
    wanted = school_id or query.school
    if not schools and wanted is None:
        return None
    school = next((each for each in schools if wanted in (None, each.id)), None)
    if school is None:
        raise NotFound(f"there is no school {wanted}", schoolId=wanted)
    usual = await adsum.year.usual_days(school.id, caller)
    view = _view(schools, school, usual, query, class_id)
    try:
        return replace(view, choices=await adsum.year.choices(view.scope, caller))
    except Invalid as error:
        return replace(view, violations=[violation.code for violation in error.violations])


def _view(
    schools: Sequence[School], school: School, usual: UsualDays | None, query: YearQuery, class_id: int | None
) -> YearView:
    """Nothing is said yet about what it can be narrowed to."""
    newest = usual.last if usual is not None else None
    last_day = query.last_day or newest or query.first_day or NO_DAY
    return YearView(
        schools=schools,
        school=school,
        first_day=query.first_day or (usual.first if usual is not None else last_day),
        last_day=last_day,
        newest=newest,
        year_begins=usual.first if usual is not None and usual.is_year else None,
        query=query,
        class_id=class_id or query.class_id,
        choices=Choices(classes=[], grades=[]),
    )
