"""The school and the day of a page, from the query parameters `school` and `date`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated

from fastapi import Depends, Query

from adsum.accounts.access import Caller, Permission
from adsum.accounts.visitors import Visitor, signed_in, visitor_with
from adsum.platform.days import today_in
from adsum.platform.errors import NoSchoolYet
from adsum.platform.http.dependencies import Now, provided
from adsum.platform.http.queries import Day
from adsum.platform.http.schemas import PathId
from adsum.platform.paging import MAX_LIMIT, PageRequest
from adsum.platform.texts import list_key
from adsum.schools.rules import School
from adsum.schools.service import Schools

SchoolsService = Annotated[Schools, Depends(provided(Schools))]
Manager = Annotated[Visitor, Depends(visitor_with(Permission.SCHOOL_MANAGE))]
SchoolId = Annotated[PathId | None, Query(alias="school")]


@dataclass(frozen=True, slots=True)
class SchoolContext:
    """The school of an admin page, and the visitor who manages it. `today` is in the time zone of the school."""

    visitor: Visitor
    school: School
    today: date

    @property
    def caller(self) -> Caller:
        return self.visitor.caller

    def address(self, path: str) -> str:
        """The address of an admin page of this school."""
        return f"/admin/{path}?school={self.school.id}"


@dataclass(frozen=True, slots=True)
class SchoolDay:
    """A day of a school. `schools` are all schools that the visitor may see, by name."""

    schools: Sequence[School]
    school: School
    day: date
    today: date

    @property
    def is_today(self) -> bool:
        return self.day == self.today

    @property
    def before(self) -> date:
        return self.day - timedelta(days=1)

    @property
    def after(self) -> date:
        return self.day + timedelta(days=1)

    def address(self, path: str, day: date | None = None, **more: str | int) -> str:
        """The address of a page of this school on this day, or on another day."""
        query = {"school": self.school.id, "date": (day or self.day).isoformat()} | more
        return f"{path}?{'&'.join(f'{name}={value}' for name, value in query.items())}"


async def school_day(
    schools: Schools, visitor: Visitor, school_id: int | None, day: date | None, now: datetime
) -> SchoolDay:
    """The given school and day; by default the first visible school, and its today.

    Raises:
        Forbidden: without `roster:read`.
        NotFound: the visitor may not see the school.
        NoSchoolYet: there is none.
    """
    visible = (await schools.page(visitor.caller, PageRequest(limit=MAX_LIMIT))).items
    school = await _school(schools, visitor, school_id, visible)
    today = today_in(school.time_zone, now)
    return SchoolDay(sorted(visible, key=lambda each: list_key(each.name)), school, day or today, today)


async def _current_school(
    visitor: Manager, schools: SchoolsService, now: Now, school_id: SchoolId = None
) -> SchoolContext:
    visible = () if school_id is not None else (await schools.page(visitor.caller, PageRequest(limit=1))).items
    school = await _school(schools, visitor, school_id, visible)
    return SchoolContext(visitor, school, today_in(school.time_zone, now))


async def _requested_day(
    schools: SchoolsService,
    visitor: Annotated[Visitor, Depends(signed_in)],
    now: Now,
    school_id: SchoolId = None,
    day: Annotated[Day | None, Query(alias="date")] = None,
) -> SchoolDay:
    return await school_day(schools, visitor, school_id, day, now)


async def _school(schools: Schools, visitor: Visitor, school_id: int | None, visible: Sequence[School]) -> School:
    if school_id is not None:
        return await schools.find(school_id, visitor.caller)
    if not visible:
        raise NoSchoolYet("there is no school yet: import a roster")
    return visible[0]


CurrentSchool = Annotated[SchoolContext, Depends(_current_school)]
"""The school of an admin page."""

RequestedDay = Annotated[SchoolDay, Depends(_requested_day)]
"""The school and the day of a page."""
