"""`/schools/{schoolId}/closed-days` and `/schools/{schoolId}/terms`: when a school is open."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import each_named_once, require
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.queries import Day, PageQuery
from adsum.platform.http.schemas import Moment, Page, PathId, PlainText, Schema
from adsum.platform.local_times import TIME_PATTERN
from adsum.platform.texts import MAX_REASON
from adsum.schools.calendar.rules import MAX_TITLE, ClosedDay, ClosedDayFilters

router = APIRouter(prefix="/schools/{schoolId}", tags=["calendar"], dependencies=[Depends(each_named_once)])

SchoolId = Annotated[PathId, Path(alias="schoolId")]
Reader = Annotated[Caller, Depends(require(Permission.ROSTER_READ))]
Manager = Annotated[Caller, Depends(require(Permission.SCHOOL_MANAGE))]


class ClosedDayQuery(PageQuery):
    """Which closed days."""

    first_day: Annotated[Day | None, Field(alias="from", description="First day")] = None
    last_day: Annotated[Day | None, Field(alias="to", description="Last day")] = None

    @property
    def filters(self) -> ClosedDayFilters:
        return ClosedDayFilters(self.first_day, self.last_day)


class CloseDay(Schema):
    """Why the school is closed, and from when on."""

    reason: Annotated[PlainText, Field(min_length=1, max_length=MAX_REASON)]
    from_time: Annotated[
        Annotated[str, Field(pattern=TIME_PATTERN)] | None,
        Field(description="Local time, from which on; without it, all day"),
    ] = None


class ClosedDayItem(Schema):
    """A day on which the school is closed; `fromTime` is null where it is all day."""

    day: Annotated[date, Field(alias="date")]
    reason: str
    from_time: str | None
    created_at: Moment
    created_by_role: Annotated[str, Field(validation_alias="created_role")]
    created_by_user_id: Annotated[int | None, Field(validation_alias="user_id")]
    created_by_key_id: Annotated[int | None, Field(validation_alias="key_id", description="of an API key")]


class AddTerm(Schema):
    """A term. `endDate` is the first day after it."""

    title: Annotated[PlainText, Field(min_length=1, max_length=MAX_TITLE)]
    begin_date: Day
    end_date: Day


class TermItem(Schema):
    """A term. `endDate` is the first day after it; `sourcedId` is its id in the roster file."""

    id: int
    sourced_id: Annotated[str | None, Field(validation_alias="source_id")]
    title: str
    begin_date: date
    end_date: date


@router.get("/closed-days", name="listClosedDays", summary="Days on which a school is closed")
async def list_closed_days(
    school_id: SchoolId, query: Annotated[ClosedDayQuery, Query()], adsum: OpenAdsum, caller: Reader
) -> Page[ClosedDayItem]:
    """By day."""
    page = await adsum.school_calendar.closed_days(school_id, query.filters, caller, query.page)
    return Page(items=[ClosedDayItem.model_validate(row) for row in page.items], next_cursor=page.next_cursor)


@router.put("/closed-days/{day}", name="closeDay", summary="Close a school on a day")
async def close_day(
    school_id: SchoolId, day: Annotated[Day, Path()], body: CloseDay, adsum: OpenAdsum, caller: Manager
) -> ClosedDayItem:
    """What was said of that day before is replaced. Marks of that day stay."""
    closed = ClosedDay(day, body.reason, body.from_time)
    return ClosedDayItem.model_validate(await adsum.school_calendar.close_day(school_id, closed, caller))


@router.delete(
    "/closed-days/{day}", name="openDay", summary="Take a closed day back", status_code=HTTPStatus.NO_CONTENT
)
async def open_day(school_id: SchoolId, day: Annotated[Day, Path()], adsum: OpenAdsum, caller: Manager) -> None:
    """404 where the school is not closed on that day."""
    await adsum.school_calendar.open_day(school_id, day, caller)


@router.get("/terms", name="listTerms", summary="Terms of a school")
async def list_terms(
    school_id: SchoolId, query: Annotated[PageQuery, Query()], adsum: OpenAdsum, caller: Reader
) -> Page[TermItem]:
    """By id. A school that has terms is closed outside of them."""
    page = await adsum.school_calendar.terms(school_id, caller, query.page)
    return Page(items=[TermItem.model_validate(row) for row in page.items], next_cursor=page.next_cursor)


@router.post("/terms", name="addTerm", summary="Add a term", status_code=HTTPStatus.CREATED)
async def add_term(school_id: SchoolId, body: AddTerm, adsum: OpenAdsum, caller: Manager) -> TermItem:
    """From its first term on, a school is closed outside of all terms."""
    term = await adsum.school_calendar.add_term(school_id, body.title, body.begin_date, body.end_date, caller)
    return TermItem.model_validate(term)


@router.delete("/terms/{id}", name="removeTerm", summary="Remove a term", status_code=HTTPStatus.NO_CONTENT)
async def remove_term(
    school_id: SchoolId, term_id: Annotated[PathId, Path(alias="id")], adsum: OpenAdsum, caller: Manager
) -> None:
    """Marks of its days stay."""
    await adsum.school_calendar.remove_term(school_id, term_id, caller)
