"""`/admin/timetable`: the weekly times of sessions, by class or from a CSV file."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import zip_longest
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response

from adsum.accounts.kept_words.pages import SearchedWords
from adsum.platform.errors import AdsumError, NotFound
from adsum.platform.http.dependencies import provided
from adsum.platform.http.rate_limits import costly
from adsum.platform.http.schemas import PathId, PlainText
from adsum.platform.pages.fields import day_typed
from adsum.platform.pages.forms import WRONG, redirect_to, status_with
from adsum.platform.pages.page_visitor import reads_form
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.platform.pages.uploads import Upload, is_scripted, uploaded
from adsum.platform.paging import PageRequest
from adsum.platform.texts import list_key
from adsum.roster.rules import ClassFilters
from adsum.roster.service import Directory
from adsum.roster.timetable.rules import TimedSession, TimetableReport
from adsum.roster.timetable.service import Timetables
from adsum.schools.calendar.rules import SessionTime
from adsum.schools.context import CurrentSchool, SchoolContext

router = APIRouter(include_in_schema=False, route_class=PageRoute)

CLASSES_PER_PAGE = 50
MAX_VIOLATIONS = 200
# The days of a week that begins on a Monday, for the names of weekdays.
WEEK = [date(2024, 1, 1) + timedelta(days=i) for i in range(7)]
DirectoryService = Annotated[Directory, Depends(provided(Directory))]
TimetablesService = Annotated[Timetables, Depends(provided(Timetables))]
Texts = Annotated[list[Annotated[PlainText, Form(max_length=20)]], Form(max_length=200)]


@dataclass(frozen=True, slots=True)
class Typed:
    """The content of a form: a session, its times, and the day from which they hold; empty: none was given."""

    session_id: int
    times: Sequence[SessionTime]
    valid_from: str


@dataclass(frozen=True, slots=True)
class TimeRow:
    """A row of the form: the weekdays on which a session meets from `begins` to `ends`."""

    begins: str
    ends: str
    weekdays: Collection[int]


async def _typed(
    session: Annotated[PathId, Form()],
    weekday: Texts = [],  # noqa: B006 - FastAPI copies it
    begins: Texts = [],  # noqa: B006 - as above
    ends: Texts = [],  # noqa: B006 - as above
    valid_from: Annotated[PlainText, Form(max_length=20)] = "",
) -> Typed:
    """A weekday is `2-5`: Friday, in the third row. Rows without times are ignored, and need a weekday otherwise."""
    chosen = {(row, day) for row, _, day in (each.partition("-") for each in weekday)}
    times = [
        SessionTime(day, begin, end)
        for i, (begin, end) in enumerate(zip_longest(begins, ends, fillvalue=""))
        if begin or end
        for day in [day for day in range(1, 8) if (str(i), str(day)) in chosen] or [0]
    ]
    return Typed(session, times, valid_from)


def rows_of(times: Iterable[SessionTime]) -> list[TimeRow]:
    """These times, one row for all weekdays with the same hours, by the hours."""
    rows: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for time in times:
        rows[time.begins, time.ends].append(time.weekday)
    return [TimeRow(*hours, rows[hours]) for hours in sorted(rows)]


@router.get("/admin/timetable")
async def timetable(
    request: Request,
    directory: DirectoryService,
    timetables: TimetablesService,
    context: CurrentSchool,
    searched: SearchedWords,
    cursor: str | None = None,
) -> Response:
    """The active classes of the school, with the times of their sessions."""
    filters = ClassFilters(context.school.id, searched.words or None, active=True)
    page = await directory.classes(context.caller, filters, PageRequest(cursor, CLASSES_PER_PAGE))
    found = await timetables.of_classes(context.school.id, [row.id for row in page.items], context.caller)
    sessions = defaultdict[int, list[TimedSession]](list)
    for session, times in found:
        sessions[session.class_id].append((session, times))
    return site_of(request).page(
        *(request, "admin/timetable.html"),
        context=context,
        visitor=context.visitor,
        classes=sorted(page.items, key=lambda row: list_key(row.title)),
        sessions=sessions,
        next_cursor=page.next_cursor,
        searched=searched,
        week=WEEK,
    )


@router.get("/admin/timetable/file")
async def timetable_file(request: Request, context: CurrentSchool) -> Response:
    """The upload form and a description of the file."""
    return _file_page(request, context)


@router.post("/admin/timetable/file")
@reads_form
@costly
async def import_timetable(request: Request, timetables: TimetablesService, context: CurrentSchool) -> Response:
    """Shows what a file would change; a confirmed upload applies it. A repeated upload changes nothing."""
    upload: Upload | None = None
    try:
        async with uploaded(request) as upload:
            content = await asyncio.to_thread(upload.file.read)
            since = upload.texts.get("valid_from")
            report = await timetables.import_file(
                *(context.school.id, content, context.caller),
                dry_run=not upload.is_confirmed,
                valid_from=day_typed(since, "/validFrom") if since else None,
            )
    except WRONG as error:
        return _file_page(request, context, upload=upload, error=error)
    return _file_page(request, context, upload=upload, report=report)


@router.get("/admin/timetable/{class_id}")
async def class_times(
    request: Request,
    timetables: TimetablesService,
    context: CurrentSchool,
    class_id: PathId,
) -> Response:
    """The sessions of one class, with a form for each."""
    return await _page(request, timetables, context, class_id)


@router.post("/admin/timetable/{class_id}")
async def replace_times(
    request: Request,
    timetables: TimetablesService,
    context: CurrentSchool,
    class_id: PathId,
    typed: Annotated[Typed, Depends(_typed)],
) -> Response:
    """Replaces all times of a session from a day on."""
    session = typed.session_id
    _, found = await timetables.of_class(context.school.id, class_id, context.caller)
    if session not in {each.id for each, _ in found}:
        raise NotFound(f"class {class_id} has no session {session}")
    try:
        since = day_typed(typed.valid_from, "/validFrom") if typed.valid_from else None
        await timetables.replace(session, typed.times, context.caller, valid_from=since)
    except WRONG as error:
        return await _page(request, timetables, context, class_id, typed=typed, error=error)
    return redirect_to(f"{context.address(f'timetable/{class_id}')}&saved={session}#session-{session}")


async def _page(
    request: Request,
    timetables: Timetables,
    context: SchoolContext,
    class_id: int,
    *,
    typed: Typed | None = None,
    error: AdsumError | None = None,
) -> Response:
    shown, sessions = await timetables.of_class(context.school.id, class_id, context.caller)
    return site_of(request).page(
        *(request, "admin/class_times.html"),
        status=status_with(error),
        context=context,
        visitor=context.visitor,
        shown=shown,
        sessions=sessions,
        rows_of=rows_of,
        week=WEEK,
        typed=typed,
        error=error,
        saved=request.query_params.get("saved"),
    )


def _file_page(
    request: Request,
    context: SchoolContext,
    *,
    upload: Upload | None = None,
    report: TimetableReport | None = None,
    error: AdsumError | None = None,
) -> Response:
    violations = error.violations if error else ()
    return site_of(request).page(
        *(request, "admin/timetable_file.html"),
        status=status_with(error),
        context=context,
        visitor=context.visitor,
        upload=upload,
        report=report,
        error=error,
        violations=violations[:MAX_VIOLATIONS],
        violation_count=error.violation_count if error else 0,
        is_scripted=is_scripted(request),
    )
