"""`/admin/students/merge`: chooses two records of one student, shows what moves, and merges them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from adsum.accounts.access import Permission
from adsum.accounts.kept_words.pages import SearchedWords
from adsum.accounts.kept_words.service import KeptWords
from adsum.accounts.visitors import Visitor, visitor_with
from adsum.platform.days import WrongDay, plain_day
from adsum.platform.errors import AdsumError, Invalid, NotFound, Violation, refuse
from adsum.platform.http.dependencies import provided
from adsum.platform.http.schemas import PathId
from adsum.platform.pages.fields import number_typed
from adsum.platform.pages.forms import WRONG, redirect_to, status_with
from adsum.platform.pages.page_visitor import own_form, reads_form
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.privacy.merging.page_data import MergePageData
from adsum.privacy.merging.rules import MergeChoices, Prefer, RecordChoice

router = APIRouter(include_in_schema=False, route_class=PageRoute)

PATH = "/admin/students/merge"
# A school year of six sessions a day, of several years.
MAX_FIELDS = 10_000
NO_CHOICES = MergeChoices()


class MergeNotice(StrEnum):
    """The records had been merged before: with the same choices, or with others."""

    REPEATED = "repeated"
    IGNORED = "ignored"


PageDataService = Annotated[MergePageData, Depends(provided(MergePageData))]
Responsible = Annotated[Visitor, Depends(visitor_with(Permission.SCHOOL_MANAGE, Permission.STUDENT_DATA))]


@router.get(PATH)
async def merging(
    request: Request,
    page_data: PageDataService,
    visitor: Responsible,
    searched: SearchedWords,
    keep: PathId | None = None,
    remove: PathId | None = None,
    merged: bool = False,
    warned: MergeNotice | None = None,
) -> Response:
    """Finds both records. With `keep` and `remove`: what moves, and the days that need a choice.

    With `merged`, the page after a merge: it says so, and shows the merges instead of the form. `warned`: the records
    had been merged before.
    """
    return await _page(request, page_data, visitor, searched, keep, remove, merged=merged, warned=warned)


@router.post(PATH)
@reads_form
async def merge(request: Request, page_data: PageDataService, visitor: Responsible) -> Response:
    """Merges, if each session and day on which both have a record is chosen: fields such as `on-2026-11-25-456`.

    The form may have more fields than FastAPI reads.
    """
    async with own_form(request, max_fields=MAX_FIELDS) as form:
        fields = {name: value for name, value in form.items() if isinstance(value, str)}
    keep, remove = (_id_in(fields, name) for name in ("keep", "remove"))
    choices, violations = _choices(fields)
    try:
        refuse(violations)
        done = await page_data.merge(keep, remove, choices, visitor.caller)
    except (*WRONG, NotFound) as error:
        return await _page(request, page_data, visitor, KeptWords(), keep, remove, choices=choices, error=error)
    warned = (
        f"&warned={MergeNotice.IGNORED if done.ignores_choices else MergeNotice.REPEATED}" if done.is_repeated else ""
    )
    return redirect_to(f"{PATH}?keep={keep}&merged=true{warned}")


def _id_in(fields: Mapping[str, str], name: str) -> int:
    return number_typed(fields.get(name, ""), f"/{name}")


def _choices(fields: Mapping[str, str]) -> tuple[MergeChoices, list[Violation]]:
    """The choices of a form, and the fields that are none. `prefer` holds where none is ticked."""
    single: list[RecordChoice] = []
    violations: list[Violation] = []
    for name, value in fields.items():
        if not name.startswith("on-"):
            continue
        day, _, session = name.removeprefix("on-").rpartition("-")
        try:
            single.append(RecordChoice(plain_day(day), Prefer(value), number_typed(session, f"/{name}")))
        except (WrongDay, ValueError, Invalid):
            detail = f"{name[:40]!r} with the value {value[:40]!r} chooses no record"
            violations.append(Violation("unknown_choice", detail, f"/{name}"))
    prefer = fields.get("prefer") or None
    if prefer not in (None, *Prefer):
        detail = f"{prefer[:40]!r} is neither keep nor remove"
        violations.append(Violation("unknown_choice", detail, "/prefer"))
        prefer = None
    allowed = "allow_different_names" in fields
    return MergeChoices(None if prefer is None else Prefer(prefer), single, allowed), violations


async def _page(
    request: Request,
    page_data: MergePageData,
    visitor: Visitor,
    searched: KeptWords,
    keep: int | None,
    remove: int | None,
    *,
    choices: MergeChoices = NO_CHOICES,
    error: AdsumError | None = None,
    merged: bool = False,
    warned: MergeNotice | None = None,
) -> Response:
    view = await page_data.view(searched.words, keep, remove, choices, visitor.caller)
    return site_of(request).page(
        *(request, "admin/merge.html"),
        status=status_with(error or view.refusal),
        visitor=visitor,
        searched=searched,
        keep=keep,
        remove=remove,
        view=view,
        prefer=choices.prefer,
        allow_different_names=choices.allow_different_names,
        warned=warned,
        merged=merged and bool(view.merges),
        error=error or view.refusal,
    )
