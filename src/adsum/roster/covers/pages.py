"""`/admin/covers`: who stands in for a teacher, from a day to a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response

from adsum.accounts.access import Role
from adsum.platform.errors import AdsumError, Invalid, NotFound, Violation
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.queries import Words
from adsum.platform.http.schemas import PathId, PlainText
from adsum.platform.ids import MAX_ID
from adsum.platform.pages.forms import WRONG, day_typed, done, status_with
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.platform.paging import MAX_LIMIT, Page, PageRequest
from adsum.roster.covers.repository import CoverRow
from adsum.roster.covers.rules import Cover, CoverFilters
from adsum.roster.people.pages import by_name
from adsum.roster.people.repository import PersonRow
from adsum.roster.people.rules import PersonFilters
from adsum.roster.rules import ClassFilters, ClassRow, NamedIds, SessionFilters
from adsum.schools.context import CurrentSchool, SchoolContext
from adsum.wiring import Adsum

router = APIRouter(include_in_schema=False, route_class=PageRoute)

COVERS = 100
# So long a cover that is over is shown, and can still be assigned: who stood in yesterday marks yesterday's register.
OVER = timedelta(days=14)
# More than these nobody looks through: a word of the title finds the class.
CLASSES = 12
Text = Annotated[PlainText, Form(max_length=20)]


@router.get("/admin/covers")
async def covers(
    request: Request,
    adsum: OpenAdsum,
    context: CurrentSchool,
    words: Annotated[Words, Query()] = "",
    cursor: str | None = None,
    class_id: Annotated[PathId | None, Query(alias="class")] = None,
) -> Response:
    """The covers that are not over for long; `class`: one that is to be covered."""
    try:
        return await _page(request, adsum, context, class_id, words=words, cursor=cursor)
    except Invalid:  # The cursor of yesterday's page: since midnight it is another list.
        return await _page(request, adsum, context, class_id, words=words)


@router.post("/admin/covers")
async def assign(
    request: Request,
    adsum: OpenAdsum,
    context: CurrentSchool,
    class_id: Annotated[PathId, Form(alias="class")],
    teacher: Annotated[PathId, Form()],
    session: Annotated[int, Form(ge=0, le=MAX_ID)] = 0,
    first_day: Text = "",
    last_day: Text = "",
) -> Response:
    """Assigns one; `session` 0: all of the class, and without a last day it is one day."""
    await adsum.directory.find_class_of_school(context.caller, context.school.id, class_id)
    try:
        first = day_typed(first_day, "/from")
        last = day_typed(last_day, "/to") if last_day else first
        _refuse_old(max(first, last), context)
        cover = await adsum.covers.assign(Cover(class_id, session or None, teacher, first, last), context.caller)
    except WRONG as error:
        typed = {"teacher": teacher, "session": session, "first_day": first_day, "last_day": last_day}
        return await _page(request, adsum, context, class_id, typed=typed, error=error)
    return done(f"{context.at('covers')}#cover-{cover.row.id}")


@router.post("/admin/covers/end")
async def end(adsum: OpenAdsum, context: CurrentSchool, cover: Annotated[PathId, Form()]) -> Response:
    """Ends a cover: from today on it holds no more. Whoever clicks twice is not told that it is gone."""
    with suppress(NotFound):
        await adsum.covers.end(cover, context.caller)
    return done(context.at("covers"))


async def _page(
    request: Request,
    adsum: Adsum,
    context: SchoolContext,
    class_id: int | None,
    *,
    words: str = "",
    cursor: str | None = None,
    typed: Mapping[str, object] | None = None,
    error: AdsumError | None = None,
) -> Response:
    filters = CoverFilters(context.school.id, first_day=context.today - OVER)
    page = await adsum.covers.page(context.caller, filters, PageRequest(cursor, COVERS))
    chosen = (
        await _chosen(adsum, context, class_id) if class_id is not None else await _to_choose(adsum, context, words)
    )
    return site_of(request).page(
        *(request, "admin/covers.html"),
        status=status_with(error),
        context=context,
        visitor=context.visitor,
        covers=page.items,
        next_cursor=page.next_cursor,
        names=await adsum.naming.names_of(_named(page.items), context.caller),
        words=words,
        typed=typed or {},
        error=error,
        **chosen,
    )


def _refuse_old(last_day: date, context: SchoolContext) -> None:
    if last_day < context.today - OVER:
        detail = f"{last_day} is too long ago to be covered from here"
        raise Invalid(detail, [Violation("date_too_early", detail, "/to")])


async def _chosen(adsum: Adsum, context: SchoolContext, class_id: int) -> dict[str, Any]:
    sessions = await adsum.directory.sessions(context.caller, SessionFilters(class_id), PageRequest(limit=MAX_LIMIT))
    return {
        "chosen": await adsum.directory.find_class_of_school(context.caller, context.school.id, class_id),
        "sessions": [session for session in sessions.items if session.active],
        "teachers": await _teachers(adsum, context),
    }


async def _to_choose(adsum: Adsum, context: SchoolContext, words: str) -> dict[str, Any]:
    of = ClassFilters(context.school.id, words.strip() or None, active=True)
    found: Page[ClassRow] = await adsum.directory.classes(context.caller, of, PageRequest(limit=CLASSES))
    return {"chosen": None, "classes": found.items, "are_more_classes": found.next_cursor is not None}


async def _teachers(adsum: Adsum, context: SchoolContext) -> list[PersonRow]:
    """Who can stand in: all teachers of the school, by name."""
    found: list[PersonRow] = []
    page = PageRequest(limit=MAX_LIMIT)
    while True:
        people = await adsum.people.page(PersonFilters(context.school.id), context.caller, page)
        found += [each.row for each in people.items if each.row.role == Role.TEACHER and not each.row.disabled]
        if people.next_cursor is None:
            return sorted(found, key=by_name)
        page = PageRequest(people.next_cursor, MAX_LIMIT)


def _named(covers: Sequence[CoverRow]) -> NamedIds:
    return NamedIds(
        classes={row.cover.class_id for row in covers},
        sessions={row.cover.session_id for row in covers if row.cover.session_id is not None},
        people={row.cover.teacher_id for row in covers},
    )
