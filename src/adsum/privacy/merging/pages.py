"""`/admin/students/merge`: chooses two records of one student, shows what moves, and merges them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from adsum.accounts.access import Permission
from adsum.accounts.visitors import Visitor, visitor_with
from adsum.platform.days import WrongDay, plain_day
from adsum.platform.errors import AdsumError, NotFound
from adsum.platform.http.dependencies import provided
from adsum.platform.http.queries import Words
from adsum.platform.http.schemas import PathId
from adsum.platform.pages.forms import WRONG, number_typed, redirect_to, status_with
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.privacy.merging.page_data import MergePageData
from adsum.privacy.merging.rules import Choice, Choices, Prefer

router = APIRouter(include_in_schema=False, route_class=PageRoute)

PATH = "/admin/students/merge"
# A school year of six sessions a day, of several years.
MAX_FIELDS = 10_000
PageDataService = Annotated[MergePageData, Depends(provided(MergePageData))]
Responsible = Annotated[Visitor, Depends(visitor_with(Permission.SCHOOL_MANAGE, Permission.STUDENT_DATA))]


@router.get(PATH)
async def merging(
    request: Request,
    page_data: PageDataService,
    visitor: Responsible,
    words: Annotated[Words, Query()] = "",
    keep: PathId | None = None,
    remove: PathId | None = None,
    merged: bool = False,
) -> Response:
    """Finds both records. With `keep` and `remove`: what moves, and the days that need a choice.

    With `merged`, the page after a merge: it says so, and shows the merges instead of the form.
    """
    return await _page(request, page_data, visitor, words, keep, remove, merged=merged)


@router.post(PATH)
async def merge(request: Request, page_data: PageDataService, visitor: Responsible) -> Response:
    """Merges, if each session and day on which both have a record is chosen: fields such as `on-2026-11-25-456`.

    The form may have more fields than FastAPI reads.
    """
    async with request.form(max_fields=MAX_FIELDS) as form:
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
    keep, remove = (_id_in(fields, name) for name in ("keep", "remove"))
    try:
        await page_data.merge(keep, remove, _choices(fields), visitor.caller)
    except (*WRONG, NotFound) as error:
        return await _page(request, page_data, visitor, "", keep, remove, fields=fields, error=error)
    return redirect_to(f"{PATH}?keep={keep}&merged=true")


def _id_in(fields: Mapping[str, str], name: str) -> int:
    return number_typed(fields.get(name, ""), f"/{name}")


def _choices(fields: Mapping[str, str]) -> Choices:
    """The choices of a form. `prefer` holds where none is ticked."""
    single = (_choice(name, value) for name, value in fields.items())
    return Choices(_prefer(fields.get("prefer")), [choice for choice in single if choice is not None])


def _choice(name: str, value: str) -> Choice | None:
    prefer = _prefer(value)
    if not name.startswith("on-") or prefer is None:
        return None
    day, _, session = name.removeprefix("on-").rpartition("-")
    try:
        return Choice(plain_day(day), prefer, int(session))
    except (WrongDay, ValueError):
        return None


def _prefer(text: str | None) -> Prefer | None:
    return Prefer(text) if text in set(Prefer) else None


async def _page(
    request: Request,
    page_data: MergePageData,
    visitor: Visitor,
    words: str,
    keep: int | None,
    remove: int | None,
    *,
    fields: Mapping[str, str] | None = None,
    error: AdsumError | None = None,
    merged: bool = False,
) -> Response:
    choices = _choices(fields or {})
    view = await page_data.view(words.strip(), keep, remove, choices, visitor.caller)
    response = site_of(request).page(
        *(request, "admin/merge.html"),
        status=status_with(error or view.refusal),
        visitor=visitor,
        words=words,
        keep=keep,
        remove=remove,
        view=view,
        prefer=choices.prefer,
        merged=merged and bool(view.merges),
        error=error or view.refusal,
    )
    response.headers["Cache-Control"] = "no-store"
    return response
