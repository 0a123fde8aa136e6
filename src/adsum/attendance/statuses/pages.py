"""`/admin/statuses`: the statuses of a school, in its order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Request, Response

from adsum.attendance.statuses.rules import ALWAYS_IN_USE, MAX_CODE, CountsAs, Status, StatusChange, StatusFlag, tone_of
from adsum.platform.errors import AdsumError
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.schemas import PlainText
from adsum.platform.pages.forms import WRONG, done, number_typed, status_with
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.schools.context import CurrentSchool, SchoolContext
from adsum.wiring import Adsum

router = APIRouter(include_in_schema=False, route_class=PageRoute)

Text = Annotated[PlainText, Form(max_length=300)]
EMPTY: Mapping[str, Any] = {"code": "", "label": "", "letter": "", "position": "100", "counts_as": "attended"}


@router.get("/admin/statuses")
async def statuses(request: Request, adsum: OpenAdsum, context: CurrentSchool) -> Response:
    """All of them, retired ones last."""
    return await _page(request, adsum, context)


@router.post("/admin/statuses")
async def add_status(
    request: Request,
    adsum: OpenAdsum,
    context: CurrentSchool,
    counts_as: Annotated[CountsAs, Form()],
    *,
    flags: Annotated[list[StatusFlag], Form()] = [],  # noqa: B006 - FastAPI copies it
    code: Text = "",
    label: Text = "",
    letter: Text = "",
    position: Text = "",
) -> Response:
    """Adds one."""
    typed = {"code": code, "label": label, "letter": letter, "position": position, "counts_as": counts_as}
    try:
        place = number_typed(position, "/position")
        status = Status(code.strip(), label.strip(), letter.strip(), counts_as, frozenset(flags), place)
        await adsum.statuses.add(context.school.id, status, context.caller)
    except WRONG as error:
        return await _page(request, adsum, context, typed={**typed, "flags": flags}, error=error)
    return done(f"{context.at('statuses')}#status-{status.code}")


@router.post("/admin/statuses/{code}")
async def change_status(
    request: Request,
    adsum: OpenAdsum,
    context: CurrentSchool,
    code: Annotated[PlainText, Path(max_length=MAX_CODE)],
    *,
    label: Text = "",
    letter: Text = "",
    position: Text = "",
    retired: Annotated[bool | None, Form()] = None,
) -> Response:
    """Renames it, moves it, retires it or takes it back into use."""
    try:
        place = number_typed(position, "/position")
        change = StatusChange(label.strip(), letter.strip(), place, retired)
        await adsum.statuses.change(context.school.id, code, change, context.caller)
    except WRONG as error:
        typed = {"label": label, "letter": letter, "position": position}
        return await _page(request, adsum, context, changed=code, typed=typed, error=error)
    return done(f"{context.at('statuses')}#status-{code}")


async def _page(
    request: Request,
    adsum: Adsum,
    context: SchoolContext,
    *,
    changed: str | None = None,
    typed: Mapping[str, Any] | None = None,
    error: AdsumError | None = None,
) -> Response:
    """`changed`: the code of the status that `typed` and `error` are about; None: they are about a new one."""
    found = await adsum.statuses.all_of(context.school.id, context.caller)
    return site_of(request).page(
        *(request, "admin/statuses.html"),
        status=status_with(error),
        context=context,
        visitor=context.visitor,
        statuses=sorted(found, key=lambda each: not each.is_in_use),
        look=tone_of,
        always_in_use=ALWAYS_IN_USE,
        all_counts=list(CountsAs),
        all_flags=list(StatusFlag),
        changed=changed,
        typed={**EMPTY, "flags": []} | (dict(typed) if typed and changed is None else {}),
        retyped=typed if changed is not None else None,
        error=error,
    )
