"""`/admin/statuses`: the statuses of a school."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Path, Request, Response

from adsum.attendance.statuses.rules import ALWAYS_IN_USE, MAX_CODE, CountsAs, Status, StatusChange, StatusFlag, tone_of
from adsum.attendance.statuses.service import Statuses
from adsum.platform.errors import AdsumError
from adsum.platform.http.dependencies import provided
from adsum.platform.http.schemas import PlainText
from adsum.platform.pages.fields import number_typed
from adsum.platform.pages.forms import WRONG, redirect_to, status_with
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.schools.context import CurrentSchool, SchoolContext

StatusesService = Annotated[Statuses, Depends(provided(Statuses))]

router = APIRouter(include_in_schema=False, route_class=PageRoute)

Text = Annotated[PlainText, Form(max_length=300)]
EMPTY: Mapping[str, Any] = {"code": "", "label": "", "letter": "", "position": "100", "counts_as": "attended"}


@router.get("/admin/statuses")
async def statuses(request: Request, service: StatusesService, context: CurrentSchool) -> Response:
    """The statuses, retired ones last."""
    return await _page(request, service, context)


@router.post("/admin/statuses")
async def add_status(
    request: Request,
    service: StatusesService,
    context: CurrentSchool,
    counts_as: Annotated[CountsAs, Form()],
    *,
    flags: Annotated[list[StatusFlag], Form()] = [],  # noqa: B006 - FastAPI copies it
    code: Text = "",
    label: Text = "",
    letter: Text = "",
    position: Text = "",
) -> Response:
    """Adds a status."""
    typed = {"code": code, "label": label, "letter": letter, "position": position, "counts_as": counts_as}
    try:
        place = number_typed(position, "/position")
        status = Status(code.strip(), label.strip(), letter.strip(), counts_as, frozenset(flags), place)
        await service.add(context.school.id, status, context.caller)
    except WRONG as error:
        return await _page(request, service, context, typed={**typed, "flags": flags}, error=error)
    return redirect_to(f"{context.address('statuses')}#status-{status.code}")


@router.post("/admin/statuses/{code}")
async def change_status(
    request: Request,
    service: StatusesService,
    context: CurrentSchool,
    code: Annotated[PlainText, Path(max_length=MAX_CODE)],
    *,
    label: Text = "",
    letter: Text = "",
    position: Text = "",
    retired: Annotated[bool | None, Form()] = None,
) -> Response:
    """Renames, moves, retires or reuses a status."""
    try:
        place = number_typed(position, "/position")
        change = StatusChange(label.strip(), letter.strip(), place, retired)
        await service.change(context.school.id, code, change, context.caller)
    except WRONG as error:
        typed = {"label": label, "letter": letter, "position": position}
        return await _page(request, service, context, changed=code, typed=typed, error=error)
    return redirect_to(f"{context.address('statuses')}#status-{code}")


async def _page(
    request: Request,
    service: Statuses,
    context: SchoolContext,
    *,
    changed: str | None = None,
    typed: Mapping[str, Any] | None = None,
    error: AdsumError | None = None,
) -> Response:
    """`typed` and `error` belong to the status with the code `changed`, or to the new one if that is None."""
    found = await service.all_of(context.school.id, context.caller)
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
