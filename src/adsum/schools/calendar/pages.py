"""`/admin/calendar`: closed days and terms of a school, its year as twelve months, and its settings."""

from __future__ import annotations

from calendar import Calendar
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Query, Request, Response

from adsum.accounts.access import Role, may_manage
from adsum.platform.days import A_DAY, Span, WrongDay, day_near
from adsum.platform.errors import AdsumError
from adsum.platform.http.dependencies import provided
from adsum.platform.http.queries import Day
from adsum.platform.http.schemas import PathId, PlainText
from adsum.platform.pages.fields import day_typed, number_typed
from adsum.platform.pages.forms import WRONG, redirect_to, status_with
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.platform.paging import PageRequest, every_item
from adsum.schools.calendar.rules import ClosedDay, ClosedDayFilters, RecordedClosedDay
from adsum.schools.calendar.service import SchoolCalendar
from adsum.schools.context import CurrentSchool, SchoolContext, SchoolsService
from adsum.schools.rules import MAX_EDIT_WINDOW_DAYS, School, SchoolSettings, weekdays_text
from adsum.schools.service import Schools

router = APIRouter(include_in_schema=False, route_class=PageRoute)

CalendarService = Annotated[SchoolCalendar, Depends(provided(SchoolCalendar))]
Text = Annotated[PlainText, Form(max_length=1_000)]
Weekdays = Annotated[list[Annotated[int, Form(ge=1, le=7)]], Form(max_length=7)]
Year = Annotated[int | None, Query(ge=1990, le=2200)]
SHOWN_CHANGES = 10
# The days of a week that begins on a Monday, for the names of weekdays.
WEEK = [date(2024, 1, 1) + timedelta(days=i) for i in range(7)]
EMPTY_FORM: Mapping[str, str] = dict.fromkeys(
    ("day", "last_day", "reason", "from_time", "title", "begin", "end", "days"), ""
)


@dataclass(frozen=True, slots=True)
class YearDay:
    """One day of the year. `closed` is its closed day, if there is one. Without terms, all days are in a term.

    `is_chosen`: it is one of the days of the form.
    """

    day: date
    closed: RecordedClosedDay | None
    is_in_term: bool
    is_today: bool
    is_chosen: bool = False


@dataclass(frozen=True, slots=True)
class ClosedRange:
    """Closed days that follow each other, with the same reason and time."""

    first: RecordedClosedDay
    last: date
    days: int
    marks: int


@dataclass(frozen=True, slots=True)
class Month:
    """One month by weeks; None fills the days of the month before or after."""

    first: date
    weeks: Sequence[Sequence[YearDay | None]]


@router.get("/admin/calendar")
async def show_calendar(
    request: Request,
    calendar: CalendarService,
    schools: SchoolsService,
    context: CurrentSchool,
    year: Year = None,
    day: Annotated[Day | None, Query()] = None,
    last: Annotated[Day | None, Query()] = None,
    closed: Annotated[Day | None, Query()] = None,
) -> Response:
    """A calendar year, by default the current one.

    Args:
        request: of the visitor.
        calendar, schools, context: dependencies.
        year: the shown one.
        day, last: the days that the visitor has chosen in the calendar, for the form.
        closed: the first of the days that the form has just closed, up to `last`.
    """
    if closed is not None:
        return await _page(request, calendar, schools, context, year=year, done=Span(closed, last or closed))
    chosen = {name: each.isoformat() for name, each in (("day", day), ("last_day", last)) if each is not None}
    return await _page(request, calendar, schools, context, year=year or (day and day.year), typed=chosen)


@router.post("/admin/calendar/closed")
async def close_days(
    request: Request,
    calendar: CalendarService,
    schools: SchoolsService,
    context: CurrentSchool,
    day: Text = "",
    last_day: Text = "",
    reason: Text = "",
    from_time: Text = "",
    *,
    anyway: Annotated[bool, Form()] = False,
) -> Response:
    """Closes the school on one day, or on all days up to and including `last_day`.

    If any of them has marks, the page names these days and asks again, unless the visitor wants it `anyway`.
    """
    typed = {"day": day, "last_day": last_day, "reason": reason, "from_time": from_time}
    try:
        first = day_typed(day, "/date")
        last = day_typed(last_day, "/to") if last_day else first
        closed = ClosedDay(first, reason.strip(), from_time or None)
        marked: Mapping[date, int] = {}
        if not anyway:
            marked = await calendar.marks_on(context.school.id, closed, last, context.caller)
        if marked:
            return await _page(
                request, calendar, schools, context, year=first.year, form="closed", typed=typed, marked=marked
            )
        await calendar.close_days(context.school.id, closed, last, context.caller)
    except WRONG as error:
        return await _page(request, calendar, schools, context, form="closed", typed=typed, error=error)
    return redirect_to(f"{context.address('calendar')}&year={first.year}&closed={first}&last={last}#close")


@router.post("/admin/calendar/open")
async def open_days(calendar: CalendarService, context: CurrentSchool, day: Text, last_day: Text = "") -> Response:
    """Removes a closed day, or the closed days up to and including `last_day`."""
    first = day_typed(day, "/date")
    last = day_typed(last_day, "/to") if last_day else first
    await calendar.open_days(context.school.id, first, last, context.caller)
    return redirect_to(f"{context.address('calendar')}&year={first.year}#closed")


@router.post("/admin/calendar/terms")
async def add_term(
    request: Request,
    calendar: CalendarService,
    schools: SchoolsService,
    context: CurrentSchool,
    title: Text = "",
    begin: Text = "",
    end: Text = "",
) -> Response:
    """Adds a term. `end` is its last day."""
    try:
        first, last = day_typed(begin, "/beginDate"), day_typed(end, "/endDate")
        await calendar.add_term(context.school.id, title.strip(), first, last + A_DAY, context.caller)
    except WRONG as error:
        typed = {"title": title, "begin": begin, "end": end}
        return await _page(request, calendar, schools, context, form="terms", typed=typed, error=error)
    return redirect_to(f"{context.address('calendar')}&year={first.year}#terms")


@router.post("/admin/calendar/terms/remove")
async def remove_term(
    request: Request,
    calendar: CalendarService,
    schools: SchoolsService,
    context: CurrentSchool,
    term: Annotated[PathId, Form()],
) -> Response:
    """Removes a term."""
    try:
        await calendar.remove_term(context.school.id, term, context.caller)
    except WRONG as error:
        return await _page(request, calendar, schools, context, form="terms", error=error)
    return redirect_to(f"{context.address('calendar')}#terms")


@router.post("/admin/calendar/window")
async def set_edit_window(
    request: Request, calendar: CalendarService, schools: SchoolsService, context: CurrentSchool, days: Text = ""
) -> Response:
    """Sets the edit window. An empty field removes the limit."""

    def settings() -> SchoolSettings:
        return {"edit_window_days": number_typed(days, "/editWindowDays") if days.strip() else None}

    return await _change(request, calendar, schools, context, "window", {"days": days}, settings)


@router.post("/admin/calendar/weekdays")
async def set_weekdays(
    request: Request,
    calendar: CalendarService,
    schools: SchoolsService,
    context: CurrentSchool,
    weekday: Weekdays = [],  # noqa: B006 - FastAPI copies it
) -> Response:
    """Sets the weekdays on which sessions without times meet."""
    weekdays = weekdays_text(weekday)
    typed = {"weekdays": weekdays}
    return await _change(request, calendar, schools, context, "weekdays", typed, lambda: {"weekdays": weekdays})


@router.post("/admin/calendar/time-zone")
async def change_time_zone(
    request: Request, calendar: CalendarService, schools: SchoolsService, context: CurrentSchool, time_zone: Text = ""
) -> Response:
    """Changes the time zone of the school from now on."""
    typed, zone = {"time_zone": time_zone}, time_zone.strip()
    return await _change(request, calendar, schools, context, "time-zone", typed, lambda: {"time_zone": zone})


@router.post("/admin/calendar/missed")
async def set_missed_share(
    request: Request, calendar: CalendarService, schools: SchoolsService, context: CurrentSchool, percent: Text = ""
) -> Response:
    """Sets from which share on a session counts as missed in reports. With an empty field none does."""

    def settings() -> SchoolSettings:
        return {"missed_from_percent": number_typed(percent, "/missedFromPercent") if percent.strip() else None}

    return await _change(request, calendar, schools, context, "missed", {"percent": percent}, settings)


@router.post("/admin/calendar/office-logins")
async def set_office_logins(
    schools: SchoolsService, context: CurrentSchool, *, office: Annotated[bool, Form()] = False
) -> Response:
    """Decides whether the office manages the logins of teachers and viewers."""
    await schools.change(context.school.id, {"office_manages_logins": office}, context.caller)
    return redirect_to(f"{context.address('calendar')}#office-logins")


async def _change(
    request: Request,
    calendar: SchoolCalendar,
    schools: Schools,
    context: SchoolContext,
    form: str,
    typed: Mapping[str, str],
    settings: Callable[[], SchoolSettings],
) -> Response:
    """Changes settings, which `settings` reads from the form. If it raises an error, the page shows the form again."""
    try:
        await schools.change(context.school.id, settings(), context.caller)
    except WRONG as error:
        return await _page(request, calendar, schools, context, form=form, typed=typed, error=error)
    return redirect_to(f"{context.address('calendar')}#{form}")


async def _page(
    request: Request,
    calendar: SchoolCalendar,
    schools: Schools,
    context: SchoolContext,
    *,
    year: int | None = None,
    form: str | None = None,
    typed: Mapping[str, str] | None = None,
    error: AdsumError | None = None,
    marked: Mapping[date, int] | None = None,
    done: Span | None = None,
) -> Response:
    """`form` is the form whose fields (`typed`) and error the page shows again.

    `marked`: the marks of days that the form is about to close. `done`: the days that it has just closed.
    """
    year = year or context.today.year
    typed = dict(typed or {})
    closed = await _closed_days(calendar, context, year)
    terms = await every_item(lambda page: calendar.terms(context.school.id, context.caller, page))
    site = site_of(request)
    spans = [Span(term.begin_date, term.end_date) for term in terms if term.opens_school]
    return site.page(
        *(request, "admin/calendar.html"),
        status=HTTPStatus.CONFLICT if marked else status_with(error),
        context=context,
        visitor=context.visitor,
        year=year,
        months=year_of(
            *(year, closed, spans, context.today, site.language_of(request).locale.first_week_day),
            chosen=_chosen(typed),
        ),
        closed=ranges_of(list(closed.values())),
        marked=marked or {},
        done=done,
        terms=sorted(terms, key=lambda term: (term.begin_date, term.id)),
        a_day=A_DAY,
        week=WEEK,
        max_window=MAX_EDIT_WINDOW_DAYS,
        form=form,
        manages_office=may_manage(context.caller, Role.OFFICE, context.school.id),
        changes=(await schools.changes(context.school.id, context.caller, PageRequest(limit=SHOWN_CHANGES))).items,
        typed=_fields(context.school) | typed,
        error=error,
    )


def _fields(school: School) -> dict[str, Any]:
    """The fields of the forms, as the school is now."""
    window, share = school.edit_window_days, school.missed_from_percent
    return {
        **EMPTY_FORM,
        "days": "" if window is None else str(window),
        "percent": "" if share is None else str(share),
        "time_zone": school.time_zone,
        "weekdays": school.weekdays,
    }


async def _closed_days(calendar: SchoolCalendar, context: SchoolContext, year: int) -> dict[date, RecordedClosedDay]:
    filters = ClosedDayFilters(date(year, 1, 1), date(year, 12, 31))
    found = await every_item(lambda page: calendar.closed_days(context.school.id, filters, context.caller, page))
    return {row.day: row for row in found}


def _chosen(typed: Mapping[str, str]) -> tuple[date, date] | None:
    """The first and the last day of the form, if they are days."""
    try:
        first = day_near(typed.get("day", ""))
        return first, day_near(typed["last_day"]) if typed.get("last_day") else first
    except WrongDay:
        return None


def ranges_of(closed: Sequence[RecordedClosedDay]) -> list[ClosedRange]:
    """Closed days, which are in order, as ranges."""
    ranges: list[ClosedRange] = []
    for row in closed:
        before = ranges[-1] if ranges else None
        if (
            before is not None
            and row.day == before.last + A_DAY
            and (row.reason, row.from_time) == (before.first.reason, before.first.from_time)
        ):
            ranges[-1] = ClosedRange(before.first, row.day, before.days + 1, before.marks + row.marks)
        else:
            ranges.append(ClosedRange(row, row.day, 1, row.marks))
    return ranges


def year_of(
    year: int,
    closed: Mapping[date, RecordedClosedDay],
    terms: Sequence[Span],
    today: date,
    first_weekday: int,
    *,
    chosen: tuple[date, date] | None = None,
) -> list[Month]:
    """The months of a year.

    Args:
        year: calendar year.
        closed: closed days of that year.
        terms: in which the school is open; without terms it is open all year.
        today: in the time zone of the school.
        first_weekday: first day of a week; 0 is Monday.
        chosen: the first and the last day that the visitor has chosen.
    """

    def shown(day: date, month: int) -> YearDay | None:
        if day.month != month:
            return None
        is_in_term = not terms or any(term.covers(day) for term in terms)
        is_chosen = chosen is not None and chosen[0] <= day <= chosen[1]
        return YearDay(day, closed.get(day), is_in_term, day == today, is_chosen)

    weeks = Calendar(first_weekday).monthdatescalendar
    return [
        Month(date(year, month, 1), [[shown(day, month) for day in week] for week in weeks(year, month)])
        for month in range(1, 13)
    ]
