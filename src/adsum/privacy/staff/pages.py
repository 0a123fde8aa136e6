"""`/admin/people/{id}/erase`: what the erasure of a person removes, and its confirmation."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Path, Request, Response

from adsum.accounts.api_keys.ownership import NO_CHOICE, KeyChoice
from adsum.platform.errors import AdsumError
from adsum.platform.http.dependencies import provided
from adsum.platform.http.schemas import PathId, PlainText
from adsum.platform.pages.forms import WRONG, redirect_to, status_with
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.privacy.staff.service import StaffErasure
from adsum.schools.context import CurrentSchool, SchoolContext

router = APIRouter(include_in_schema=False, route_class=PageRoute)

PATH = "/admin/people/{id}/erase"
REVOKE, HAND_OVER = "revoke", "hand-over"
StaffErasureService = Annotated[StaffErasure, Depends(provided(StaffErasure))]
PersonId = Annotated[PathId, Path(alias="id")]


@router.get(PATH)
async def erasure(
    request: Request, staff: StaffErasureService, context: CurrentSchool, person_id: PersonId
) -> Response:
    """The rows that an erasure removes, those that stay, and the form that erases."""
    return await _page(request, staff, context, person_id)


@router.post(PATH)
async def erase(
    request: Request,
    staff: StaffErasureService,
    context: CurrentSchool,
    person_id: PersonId,
    keys: Annotated[str, Form()] = "",
    new_owner: Annotated[PlainText, Form(max_length=300)] = "",
) -> Response:
    """Erases the person, and returns to the list. `keys`: what becomes of the API keys that they own."""
    choice = {REVOKE: KeyChoice(revoke=True), HAND_OVER: KeyChoice(new_owner=new_owner)}.get(keys, NO_CHOICE)
    try:
        await staff.erase(person_id, context.caller, choice)
    except WRONG as error:
        return await _page(request, staff, context, person_id, keys=keys, new_owner=new_owner, error=error)
    return redirect_to(f"{context.address('people')}&erased=true")


async def _page(
    request: Request,
    staff: StaffErasure,
    context: SchoolContext,
    person_id: int,
    *,
    keys: str = "",
    new_owner: str = "",
    error: AdsumError | None = None,
) -> Response:
    preview = await staff.preview(person_id, context.caller)
    return site_of(request).page(
        *(request, "admin/erase_person.html"),
        status=status_with(error),
        context=context,
        visitor=context.visitor,
        preview=preview,
        row=preview.person,
        chosen=keys,
        new_owner=new_owner,
        revoke=REVOKE,
        hand_over=HAND_OVER,
        error=error,
    )
