"""`/take/{classId}/{sessionId}/{day}`: the register of a class, a session and a day is taken here."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from adsum.accounts.access import Permission
from adsum.accounts.visitors import Visitor, visitor_with
from adsum.attendance.statuses.rules import tone_of
from adsum.platform.errors import Conflict, Forbidden, Invalid
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.queries import Day
from adsum.platform.http.schemas import PathId
from adsum.platform.ids import Batch
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute, wants_json
from adsum.registers.sheets.forms import sent_sheet
from adsum.registers.sheets.rules import RegisterSheet
from adsum.registers.sheets.view import saved_as_json, sheet_as_json, statuses_as_json

router = APIRouter(prefix="/take", include_in_schema=False, route_class=PageRoute)
Taker = Annotated[
    Visitor,
    Depends(visitor_with(Permission.ATTENDANCE_CREATE, Permission.ATTENDANCE_READ, Permission.ROSTER_READ)),
]


async def _batch(class_id: PathId, session_id: PathId, day: Annotated[Day, Path()]) -> Batch:
    return Batch(class_id, session_id, day)


Taken = Annotated[Batch, Depends(_batch)]
Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")]


@router.get("/{class_id}/{session_id}/{day}")
async def show_register(request: Request, batch: Taken, adsum: OpenAdsum, visitor: Taker) -> Response:
    """The page; to the page's script, what stands now."""
    sheet = await adsum.register_sheets.sheet(batch.class_id, batch.session_id, batch.learning_date, visitor.caller)
    return JSONResponse(sheet_as_json(sheet)) if wants_json(request) else _page(request, visitor, sheet)


@router.post("/{class_id}/{session_id}/{day}")
async def save_register(
    request: Request, batch: Taken, adsum: OpenAdsum, visitor: Taker, idempotency_key: Key = None
) -> Response:
    """Saves what is new or changed. To a form without scripts it answers with the page as it stands then."""
    sent = await sent_sheet(request)
    try:
        saved = await adsum.register_sheets.save(sent.taken(batch, idempotency_key), visitor.caller)
    except (Invalid, Conflict, Forbidden) as error:
        if wants_json(request):
            raise
        sheet = await adsum.register_sheets.sheet(*_of(batch), visitor.caller)
        typed = {mark.student_id: mark for mark in sent.marks}
        status = HTTPStatus.CONFLICT if isinstance(error, Conflict) else HTTPStatus.UNPROCESSABLE_ENTITY
        return _page(request, visitor, sheet, status=status, error=error, typed=typed)
    if not wants_json(request):
        if saved.refused:
            sheet = await adsum.register_sheets.sheet(*_of(batch), visitor.caller)
            return _page(request, visitor, sheet, status=HTTPStatus.CONFLICT, refused=saved.refused)
        return RedirectResponse(request.url.path, HTTPStatus.SEE_OTHER)
    sheet = await adsum.register_sheets.sheet(*_of(batch), visitor.caller)
    return JSONResponse(saved_as_json(saved, sheet))


def _of(batch: Batch) -> tuple[int, int, Any]:
    return batch.class_id, batch.session_id, batch.learning_date


def _page(
    request: Request, visitor: Visitor, sheet: RegisterSheet, *, status: HTTPStatus = HTTPStatus.OK, **shown: Any
) -> Response:
    marks: dict[str, Any] = {"error": None, "typed": {}, "refused": {}, **shown}
    looks = {each.code: tone_of(each) for each in sheet.statuses}
    letters = {each.code: each for each in sheet.statuses}
    return site_of(request).page(
        request,
        "register.html",
        status=status,
        visitor=visitor,
        sheet=sheet,
        statuses=statuses_as_json(sheet, site_of(request).language_of(request).gettext),
        sheet_json=sheet_as_json(sheet),
        looks=looks,
        known_statuses=letters,
        **marks,
    )
