"""`/admin/calendar`: closed days, terms, the year that they make, and for how long teachers may write about a day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response

from adsum.platform.days import Span
from adsum.platform.errors import AdsumError
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.schemas import PathId, PlainText
from adsum.platform.pages.forms import WRONG, day_typed, done, number_typed, status_with
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.platform.paging import MAX_LIMIT, PageRequest
from adsum.schools.calendar.rules import ClosedDay, ClosedDayFilters, RecordedClosedDay
from adsum.schools.calendar.year_grid import year_of
from adsum.schools.context import CurrentSchool, SchoolContext
from adsum.schools.rules import MAX_EDIT_WINDOW_DAYS
from adsum.wiring import Adsum

router = APIRouter(include_in_schema=False, route_class=PageRoute)

Text = Annotated[PlainText, Form(max_length=1_000)]
Year = Annotated[int | None, Query(ge=1990, le=2200)]
A_DAY = timedelta(days=1)
NOTHING_TYPED: Mapping[str, str] = dict.fromkeys(
    ("day", "last_day", "reason", "from_time", "title", "begin", "end", "days"), ""
)


@router.get("/admin/calendar")
async def calendar(request: Request, adsum: OpenAdsum, context: CurrentSchool, year: Year = None) -> Response:
    """A calendar year; without one, this one."""
    return await _page(request, adsum, context, year=year)


@router.post("/admin/calendar/closed")
async def close_days(
    request: Request,
    adsum: OpenAdsum,
    context: CurrentSchool,
    day: Text = "",
    last_day: Text = "",
    reason: Text = "",
    from_time: Text = "",
) -> Response:
    """Closes the school on one day, or on all up to and with `last_day`."""
    try:
        first = day_typed(day, "/date")
        last = day_typed(last_day, "/lastDay") if last_day else first
        closed = ClosedDay(first, reason.strip(), from_time or None)
        await adsum.school_calendar.close_days(context.school.id, closed, last, context.caller)
    except WRONG as error:
        typed = {"day": day, "last_day": last_day, "reason": reason, "from_time": from_time}
        return await _page(request, adsum, context, form="closed", typed=typed, error=error)
    return done(f"{context.at('calendar')}&year={first.year}#closed-{first}")


@router.post("/admin/calendar/open")
async def open_day(adsum: OpenAdsum, context: CurrentSchool, day: Text) -> Response:
    """Takes a closed day back."""
    opened = day_typed(day, "/date")
    await adsum.school_calendar.open_day(context.school.id, opened, context.caller)
    return done(f"{context.at('calendar')}&year={opened.year}#closed")


@router.post("/admin/calendar/terms")
async def add_term(
    request: Request, adsum: OpenAdsum, context: CurrentSchool, title: Text = "", begin: Text = "", end: Text = ""
) -> Response:
    """Adds a term from its first day up to and with its last one."""
    try:
        first, last = day_typed(begin, "/beginDate"), day_typed(end, "/endDate")
        await adsum.school_calendar.add_term(context.school.id, title.strip(), first, last + A_DAY, context.caller)
    except WRONG as error:
        typed = {"title": title, "begin": begin, "end": end}
        return await _page(request, adsum, context, form="terms", typed=typed, error=error)
    return done(f"{context.at('calendar')}&year={first.year}#terms")


@router.post("/admin/calendar/terms/remove")
async def remove_term(adsum: OpenAdsum, context: CurrentSchool, term: Annotated[PathId, Form()]) -> Response:
    """Takes a term away."""
    await adsum.school_calendar.remove_term(context.school.id, term, context.caller)
    return done(f"{context.at('calendar')}#terms")


@router.post("/admin/calendar/window")
async def set_edit_window(request: Request, adsum: OpenAdsum, context: CurrentSchool, days: Text = "") -> Response:
    """For how many days teachers may write; empty: for ever."""
    try:
        window = number_typed(days, "/editWindowDays") if days.strip() else None
        await adsum.schools.set_edit_window(context.school.id, window, context.caller)
    except WRONG as error:
        return await _page(request, adsum, context, form="window", typed={"days": days}, error=error)
    return done(f"{context.at('calendar')}#window")


async def _page(
    request: Request,
    adsum: Adsum,
    context: SchoolContext,
    *,
    year: int | None = None,
    form: str | None = None,
    typed: Mapping[str, str] | None = None,
    error: AdsumError | None = None,
) -> Response:
    """`form`: which of the forms `typed` and `error` are about."""
    year = year or context.today.year
    closed = await _closed_days(adsum, context, year)
    terms = (await adsum.school_calendar.terms(context.school.id, context.caller, PageRequest(limit=MAX_LIMIT))).items
    site = site_of(request)
    spans = [Span(term.begin_date, term.end_date) for term in terms]
    window = context.school.edit_window_days
    return site.page(
        *(request, "admin/calendar.html"),
        status=status_with(error),
        context=context,
        visitor=context.visitor,
        year=year,
        months=year_of(year, closed, spans, context.today, site.language_of(request).locale.first_week_day),
        closed=list(closed.values()),
        terms=sorted(terms, key=lambda term: (term.begin_date, term.id)),
        a_day=A_DAY,
        max_window=MAX_EDIT_WINDOW_DAYS,
        form=form,
        typed={**NOTHING_TYPED, "days": "" if window is None else str(window)} | dict(typed or {}),
        error=error,
    )


async def _closed_days(adsum: Adsum, context: SchoolContext, year: int) -> dict[date, RecordedClosedDay]:
    filters = ClosedDayFilters(date(year, 1, 1), date(year, 12, 31))
    found: dict[date, RecordedClosedDay] = {}
    cursor: str | None = None
    while True:
        asked = PageRequest(cursor, MAX_LIMIT)
        page = await adsum.school_calendar.closed_days(context.school.id, filters, context.caller, asked)
        found |= {row.day: row for row in page.items}
        cursor = page.next_cursor
        if cursor is None:
            return found
