"""`/admin/timetable`: when the sessions of each class meet in a week."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import zip_longest
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response

from adsum.platform.errors import AdsumError, NotFound
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.queries import Words
from adsum.platform.http.schemas import PathId, PlainText
from adsum.platform.pages.forms import WRONG, done, status_with
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.platform.paging import PageRequest
from adsum.roster.rules import ClassFilters, ClassRow, SessionRow
from adsum.schools.calendar.rules import SessionTime
from adsum.schools.context import CurrentSchool, SchoolContext
from adsum.wiring import Adsum

router = APIRouter(include_in_schema=False, route_class=PageRoute)

SHOWN = 50
# The days of any week that begins on a Monday: a page names weekdays by them.
WEEK = [date(2024, 1, 1) + timedelta(days=i) for i in range(7)]
Texts = Annotated[list[Annotated[PlainText, Form(max_length=20)]], Form(max_length=200)]

Timed = tuple[SessionRow, list[SessionTime]]


@router.get("/admin/timetable")
async def timetable(
    request: Request,
    adsum: OpenAdsum,
    context: CurrentSchool,
    words: Annotated[Words, Query()] = "",
    cursor: str | None = None,
) -> Response:
    """The classes of the school that its newest roster has, with the times of their sessions."""
    filters = ClassFilters(context.school.id, words.strip() or None, active=True)
    page = await adsum.directory.classes(context.caller, filters, PageRequest(cursor, SHOWN))
    found = await adsum.timetables.of_classes(context.school.id, [row.id for row in page.items], context.caller)
    sessions = defaultdict[int, list[Timed]](list)
    for session, times in found:
        sessions[session.class_id].append((session, times))
    return site_of(request).page(
        *(request, "admin/timetable.html"),
        context=context,
        visitor=context.visitor,
        classes=page.items,
        sessions=sessions,
        next_cursor=page.next_cursor,
        words=words,
        week=WEEK,
    )


@router.get("/admin/timetable/{class_id}")
async def class_times(request: Request, adsum: OpenAdsum, context: CurrentSchool, class_id: PathId) -> Response:
    """The sessions of one class, each with a form."""
    return await _page(request, adsum, context, class_id)


@router.post("/admin/timetable/{class_id}")
async def replace_times(
    request: Request,
    adsum: OpenAdsum,
    context: CurrentSchool,
    class_id: PathId,
    session: Annotated[PathId, Form()],
    weekday: Texts = [],  # noqa: B006 - FastAPI copies it
    begins: Texts = [],  # noqa: B006
    ends: Texts = [],  # noqa: B006
) -> Response:
    """Gives a session these times and no others. A line without times is none."""
    lines = zip_longest(weekday, begins, ends, fillvalue="")
    times = [
        SessionTime(int(day) if day in {*"1234567"} else 0, begin, end) for day, begin, end in lines if begin or end
    ]
    _, found = await _class(adsum, context, class_id)
    if session not in {each.id for each, _ in found}:
        raise NotFound(f"class {class_id} has no session {session}")
    try:
        await adsum.timetables.replace(session, times, context.caller)
    except WRONG as error:
        return await _page(request, adsum, context, class_id, session_id=session, typed=times, error=error)
    return done(f"{context.at(f'timetable/{class_id}')}&saved={session}#session-{session}")


async def _page(
    request: Request,
    adsum: Adsum,
    context: SchoolContext,
    class_id: int,
    *,
    session_id: int | None = None,
    typed: Sequence[SessionTime] = (),
    error: AdsumError | None = None,
) -> Response:
    """`session_id`: of the session that `typed` and `error` are about."""
    shown, sessions = await _class(adsum, context, class_id)
    return site_of(request).page(
        *(request, "admin/class_times.html"),
        status=status_with(error),
        context=context,
        visitor=context.visitor,
        shown=shown,
        sessions=sessions,
        week=WEEK,
        session_id=session_id,
        typed=typed,
        error=error,
        saved=request.query_params.get("saved"),
    )


async def _class(adsum: Adsum, context: SchoolContext, class_id: int) -> tuple[ClassRow, list[Timed]]:
    """A class of this school, and its sessions. Raises NotFound."""
    return await adsum.directory.find_class_of_school(
        context.caller, context.school.id, class_id
    ), await adsum.timetables.of_classes(context.school.id, [class_id], context.caller)
