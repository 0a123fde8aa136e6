"""`/schools/{schoolId}/closed-days` and `/schools/{schoolId}/terms`: when a school is open."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import SentKey, require
from adsum.platform.errors import Conflict
from adsum.platform.http.dependencies import provided
from adsum.platform.http.documented_errors import raises
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.queries import Day, PageQuery
from adsum.platform.http.schemas import Page, PathId, page_of_items
from adsum.schools.calendar.rules import ClosedDay, RecordedClosedDay
from adsum.schools.calendar.schemas import (
    AddTerm,
    CloseDay,
    CloseDays,
    ClosedDayItem,
    ClosedDayQuery,
    ClosedDays,
    OpenedDays,
    TermItem,
)
from adsum.schools.calendar.service import SchoolCalendar

router = APIRouter(prefix="/schools/{schoolId}", tags=["calendar"], route_class=JsonRoute)

CalendarService = Annotated[SchoolCalendar, Depends(provided(SchoolCalendar))]
SchoolId = Annotated[PathId, Path(alias="schoolId")]
ClosedDayOfPath = Annotated[Day, Path(description="The closed day, as `YYYY-MM-DD`.")]
Reader = Annotated[Caller, Depends(require(Permission.ROSTER_READ))]
Manager = Annotated[Caller, Depends(require(Permission.SCHOOL_MANAGE))]


@router.get("/closed-days", name="listClosedDays", summary="Days on which a school is closed")
async def list_closed_days(
    school_id: SchoolId, query: Annotated[ClosedDayQuery, Query()], calendar: CalendarService, caller: Reader
) -> Page[ClosedDayItem]:
    """By day."""
    page = await calendar.closed_days(school_id, query.filters, caller, query.page)
    return page_of_items(page, ClosedDayItem.model_validate)


@router.post("/closed-days", name="closeDays", summary="Close a school on a range of days, such as holidays")
async def close_days(
    school_id: SchoolId, body: CloseDays, calendar: CalendarService, caller: Manager, key: SentKey
) -> ClosedDays:
    """All days or none. Replaces existing closed days. Marks of these days stay."""
    closed = ClosedDay(body.first_day, body.reason, body.from_time)
    keyed = key.answering(body, _closed_days, HTTPStatus.OK)
    return _closed_days(await calendar.close_days(school_id, closed, body.last_day, caller, keyed))


def _closed_days(rows: Sequence[RecordedClosedDay]) -> ClosedDays:
    return ClosedDays(items=[ClosedDayItem.model_validate(row) for row in rows])


@router.put("/closed-days/{day}", name="closeDay", summary="Close a school on a day")
async def close_day(
    school_id: SchoolId, day: ClosedDayOfPath, body: CloseDay, calendar: CalendarService, caller: Manager
) -> ClosedDayItem:
    """Replaces an existing closed day. Marks of that day stay."""
    closed = ClosedDay(day, body.reason, body.from_time)
    return ClosedDayItem.model_validate(await calendar.close_day(school_id, closed, caller))


@router.delete(
    "/closed-days",
    name="openDays",
    summary="Remove the closed days of a range",
    status_code=HTTPStatus.NO_CONTENT,
)
async def open_days(
    school_id: SchoolId, query: Annotated[OpenedDays, Query()], calendar: CalendarService, caller: Manager
) -> None:
    """All of them, whatever their reason. 404 if the school is not closed on any of these days."""
    await calendar.open_days(school_id, query.first_day, query.last_day, caller)


@router.delete("/closed-days/{day}", name="openDay", summary="Remove a closed day", status_code=HTTPStatus.NO_CONTENT)
async def open_day(school_id: SchoolId, day: ClosedDayOfPath, calendar: CalendarService, caller: Manager) -> None:
    """404 if the school is not closed on that day."""
    await calendar.open_day(school_id, day, caller)


@router.get("/terms", name="listTerms", summary="Terms of a school")
async def list_terms(
    school_id: SchoolId, query: Annotated[PageQuery, Query()], calendar: CalendarService, caller: Reader
) -> Page[TermItem]:
    """By id. A school is closed outside of those that open it, if it has any."""
    page = await calendar.terms(school_id, caller, query.page)
    return page_of_items(page, TermItem.model_validate)


@router.post("/terms", name="addTerm", summary="Add a term", status_code=HTTPStatus.CREATED)
async def add_term(
    school_id: SchoolId, body: AddTerm, calendar: CalendarService, caller: Manager, key: SentKey
) -> TermItem:
    """From its first term on, a school is closed outside of all terms."""
    keyed = key.answering(body, TermItem.model_validate, HTTPStatus.CREATED)
    term = await calendar.add_term(school_id, body.title, body.begin_date, body.end_date, caller, keyed)
    return TermItem.model_validate(term)


@router.delete(
    "/terms/{id}",
    name="removeTerm",
    summary="Remove a term",
    status_code=HTTPStatus.NO_CONTENT,
    responses=raises(Conflict),
)
async def remove_term(
    school_id: SchoolId, term_id: Annotated[PathId, Path(alias="id")], calendar: CalendarService, caller: Manager
) -> None:
    """Marks of its days stay. 409 if a class of the roster file runs in it."""
    await calendar.remove_term(school_id, term_id, caller)
