"""`/admin/covers`: covers of the last days and later, and the form that assigns one."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request, Response

from adsum.accounts.kept_words.pages import SearchedWords
from adsum.platform.errors import AdsumError, Invalid, NotFound, Violation
from adsum.platform.http.dependencies import provided
from adsum.platform.http.schemas import PathId, PlainText
from adsum.platform.ids import MAX_ID
from adsum.platform.pages.fields import day_typed
from adsum.platform.pages.forms import WRONG, redirect_to, status_with
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.roster.covers.page_data import CoverPageData
from adsum.roster.covers.rules import Cover
from adsum.roster.covers.service import Covers
from adsum.schools.context import CurrentSchool, SchoolContext

router = APIRouter(include_in_schema=False, route_class=PageRoute)

# Covers that ended within this time are shown, and can still be assigned, so that the teacher can mark yesterday.
RECENT = timedelta(days=14)
PageDataService = Annotated[CoverPageData, Depends(provided(CoverPageData))]
CoversService = Annotated[Covers, Depends(provided(Covers))]
Text = Annotated[PlainText, Form(max_length=20)]


@router.get("/admin/covers")
async def covers(
    request: Request,
    page_data: PageDataService,
    context: CurrentSchool,
    searched: SearchedWords,
    cursor: str | None = None,
    class_id: Annotated[PathId | None, Query(alias="class")] = None,
) -> Response:
    """Recent and later covers. `class`: the class that the form assigns a cover of."""
    try:
        return await _page(request, page_data, context, class_id, words=searched.words, cursor=cursor)
    except Invalid:  # The cursor comes from a page of yesterday, which had another first day.
        return await _page(request, page_data, context, class_id, words=searched.words)


@router.post("/admin/covers")
async def assign(
    request: Request,
    page_data: PageDataService,
    context: CurrentSchool,
    class_id: Annotated[PathId, Form(alias="class")],
    teacher: Annotated[PathId, Form()],
    session: Annotated[int, Form(ge=0, le=MAX_ID)] = 0,
    first_day: Text = "",
    last_day: Text = "",
) -> Response:
    """Assigns a cover. `session` 0 covers the whole class; without a last day the cover has one day."""
    try:
        first = day_typed(first_day, "/from")
        last = day_typed(last_day, "/to") if last_day else first
        _refuse_old(max(first, last), context)
        cover = Cover(class_id, session or None, teacher, first, last)
        assigned = await page_data.assign(context.school.id, cover, context.caller)
    except WRONG as error:
        typed = {"teacher": teacher, "session": session, "first_day": first_day, "last_day": last_day}
        return await _page(request, page_data, context, class_id, typed=typed, error=error)
    return redirect_to(f"{context.address('covers')}#cover-{assigned.row.id}")


@router.post("/admin/covers/end")
async def end(covers: CoversService, context: CurrentSchool, cover: Annotated[PathId, Form()]) -> Response:
    """Ends a cover before today. A second click finds no cover and reports no error."""
    with suppress(NotFound):
        await covers.end(cover, context.caller)
    return redirect_to(context.address("covers"))


async def _page(
    request: Request,
    page_data: CoverPageData,
    context: SchoolContext,
    class_id: int | None,
    *,
    words: str = "",
    cursor: str | None = None,
    typed: Mapping[str, object] | None = None,
    error: AdsumError | None = None,
) -> Response:
    school_id, caller = context.school.id, context.caller
    page, names = await page_data.covers_since(school_id, context.today - RECENT, caller, cursor)
    choice = await page_data.choice(school_id, class_id, caller) if class_id is not None else None
    classes = await page_data.classes(school_id, words, caller) if choice is None else None
    return site_of(request).page(
        *(request, "admin/covers.html"),
        status=status_with(error),
        context=context,
        visitor=context.visitor,
        covers=page.items,
        next_cursor=page.next_cursor,
        names=names,
        choice=choice,
        classes=classes,
        words=words,
        typed=typed or {},
        error=error,
    )


def _refuse_old(last_day: date, context: SchoolContext) -> None:
    if last_day < context.today - RECENT:
        detail = f"{last_day} is too long ago to be covered from here"
        raise Invalid(detail, [Violation("date_too_early", detail, "/to")])
