"""`/record/{id}`: what is recorded of a student in one session, correcting it, and its history in words."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Path, Request, Response
from fastapi.responses import RedirectResponse

from adsum import wiring
from adsum.accounts.access import Permission
from adsum.accounts.visitors import Visitor, visitor_with
from adsum.attendance.record_view import RecordForm, correction_of, form_of, view_of
from adsum.attendance.rules import Correction
from adsum.platform.clock import system_clock
from adsum.platform.errors import AdsumError, Invalid, StaleVersion
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.problems import status_of
from adsum.platform.http.schemas import PathId, PlainText
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute

router = APIRouter(prefix="/record", include_in_schema=False, route_class=PageRoute)

RecordId = Annotated[PathId, Path(alias="id")]
Reader = Annotated[Visitor, Depends(visitor_with(Permission.ATTENDANCE_READ, Permission.ROSTER_READ))]
Corrector = Annotated[Visitor, Depends(visitor_with(Permission.ATTENDANCE_CREATE, Permission.ROSTER_READ))]


@router.get("/{id}")
async def show(
    request: Request,
    record_id: RecordId,
    adsum: OpenAdsum,
    visitor: Reader,
    history: str | None = None,
    done: str = "",
) -> Response:
    """The record; `history` is where a page of its changes begins, `done` what the visitor has just done."""
    view = await view_of(adsum, record_id, visitor.caller, history, system_clock())
    return _page(request, visitor, HTTPStatus.OK, view=view, form=form_of(view.record), done=done)


@router.post("/{id}")
async def correct(
    request: Request, record_id: RecordId, adsum: OpenAdsum, visitor: Corrector, form: Annotated[RecordForm, Form()]
) -> Response:
    """Changes what was typed anew, if nobody has changed the record since it was shown."""
    before = (await adsum.corrections.record(record_id, visitor.caller)).record
    correction = correction_of(form, before)
    if correction is None:
        return _back(record_id, "same")
    try:
        seen = await adsum.corrections.correct(record_id, {form.version}, correction, visitor.caller)
    except (Invalid, StaleVersion) as error:
        return await _refused(request, record_id, adsum, visitor, form, error)
    was_kept_beside = seen.beside is not None and seen.record.version == before.version
    return _back(record_id, "kept" if was_kept_beside else "saved")


@router.post("/{id}/clear")
async def clear(
    request: Request,
    record_id: RecordId,
    adsum: OpenAdsum,
    visitor: Corrector,
    version: Annotated[int, Form()],
    reason: Annotated[PlainText, Form()] = "",
) -> Response:
    """Takes the mark away; the record keeps its history."""
    correction = Correction(status=None, reason=reason.strip() or None)
    try:
        await adsum.corrections.correct(record_id, {version}, correction, visitor.caller)
    except (Invalid, StaleVersion) as error:
        form = form_of((await adsum.corrections.record(record_id, visitor.caller)).record)
        typed = form.model_copy(update={"reason": reason, "version": version})
        return await _refused(request, record_id, adsum, visitor, typed, error)
    return _back(record_id, "cleared")


async def _refused(
    request: Request, record_id: int, adsum: wiring.Adsum, visitor: Visitor, form: RecordForm, error: AdsumError
) -> Response:
    """The form with what was typed, beside what the record says by now: to save it then is done on purpose."""
    view = await view_of(adsum, record_id, visitor.caller, None, system_clock())
    since = [change for change in view.history.items if change.version > form.version]
    shown = form.model_copy(update={"version": view.record.version})
    status = status_of(error) or HTTPStatus.UNPROCESSABLE_ENTITY
    return _page(request, visitor, status, view=view, form=shown, error=error, since=since)


def _page(request: Request, visitor: Visitor, status: HTTPStatus, **shown: Any) -> Response:
    shown = {"done": "", "error": None, "since": (), **shown}
    return site_of(request).page(request, "record.html", status=status, visitor=visitor, **shown)


def _back(record_id: int, done: str) -> Response:
    return RedirectResponse(f"/record/{record_id}?done={done}", HTTPStatus.SEE_OTHER)
