"""`/record/{id}`: the page of one record, with its history and the form that corrects it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import APIRouter, Depends, Form, Path, Request, Response
from pydantic import BaseModel

from adsum.accounts.access import Permission
from adsum.accounts.visitors import Visitor, visitor_with
from adsum.attendance.correction_rules import Correction, Keep
from adsum.attendance.corrections import Corrections
from adsum.attendance.page_data import RecordPageData
from adsum.attendance.rules import Record
from adsum.platform.errors import AdsumError, Invalid, StaleVersion
from adsum.platform.http.dependencies import provided
from adsum.platform.http.problems import http_status_of
from adsum.platform.http.schemas import PathId, PlainText
from adsum.platform.pages.forms import redirect_to
from adsum.platform.pages.local_paths import local_path
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute

router = APIRouter(prefix="/record", include_in_schema=False, route_class=PageRoute)

RecordId = Annotated[PathId, Path(alias="id")]
Reader = Annotated[Visitor, Depends(visitor_with(Permission.ATTENDANCE_READ, Permission.ROSTER_READ))]
Corrector = Annotated[Visitor, Depends(visitor_with(Permission.ATTENDANCE_CREATE, Permission.ROSTER_READ))]
CorrectionsService = Annotated[Corrections, Depends(provided(Corrections))]
PageDataService = Annotated[RecordPageData, Depends(provided(RecordPageData))]


class RecordForm(BaseModel):
    """The fields of the form, and the version of the record that the visitor saw.

    `back`: the address of the page of a student that leads here and shows the result; empty: the page of the record.
    """

    version: int
    status: PlainText = ""
    note: PlainText = ""
    arrived: PlainText = ""
    left: PlainText = ""
    reason: PlainText = ""
    office_note: PlainText | None = None
    back: PlainText = ""


@router.get("/{id}")
async def show(
    request: Request,
    record_id: RecordId,
    views: PageDataService,
    visitor: Reader,
    history: str | None = None,
    done: str = "",
    back: PlainText = "",
) -> Response:
    """The record. `history` is a cursor of its changes; `done` names the action that led here; `back`: see the form."""
    view = await views.view(record_id, visitor.caller, history)
    form = form_of(view.record).model_copy(update={"back": back})
    return _page(request, visitor, HTTPStatus.OK, view=view, form=form, done=done)


@router.post("/{id}")
async def correct(
    request: Request,
    record_id: RecordId,
    corrections: CorrectionsService,
    views: PageDataService,
    visitor: Corrector,
    form: Annotated[RecordForm, Form()],
) -> Response:
    """Applies the fields that differ from the record, if the record is unchanged since it was shown."""
    before = (await corrections.record(record_id, visitor.caller)).record
    correction = correction_of(form, before)
    if correction is None:
        return _back(record_id, "same", form.back)
    try:
        corrected = await corrections.correct(record_id, {form.version}, correction, visitor.caller)
    except (Invalid, StaleVersion) as error:
        return await _refused(request, record_id, views, visitor, form, error)
    is_disputed = corrected.dispute is not None and corrected.record.version == before.version
    return _back(record_id, "kept" if is_disputed else "saved", form.back)


@router.post("/{id}/clear")
async def clear(
    request: Request,
    record_id: RecordId,
    corrections: CorrectionsService,
    views: PageDataService,
    visitor: Corrector,
    version: Annotated[int, Form()],
    reason: Annotated[PlainText, Form()] = "",
    back: Annotated[PlainText, Form()] = "",
) -> Response:
    """Clears the mark. The record keeps its history."""
    correction = Correction(status=None, reason=reason.strip() or None)
    try:
        await corrections.correct(record_id, {version}, correction, visitor.caller)
    except (Invalid, StaleVersion) as error:
        form = form_of((await corrections.record(record_id, visitor.caller)).record)
        form = form.model_copy(update={"reason": reason, "version": version, "back": back})
        return await _refused(request, record_id, views, visitor, form, error)
    return _back(record_id, "cleared", back)


async def _refused(
    request: Request, record_id: int, views: RecordPageData, visitor: Visitor, form: RecordForm, error: AdsumError
) -> Response:
    """The submitted form beside the present record, with the present version: saving it again overwrites the record."""
    view = await views.view(record_id, visitor.caller)
    since = [change for change in view.history.items if change.version > form.version]
    form = form.model_copy(update={"version": view.record.version})
    status = http_status_of(error) or HTTPStatus.UNPROCESSABLE_ENTITY
    return _page(request, visitor, status, view=view, form=form, error=error, since=since)


def _page(request: Request, visitor: Visitor, status: HTTPStatus, **context: Any) -> Response:
    context = {"done": "", "error": None, "since": (), **context}
    return site_of(request).page(request, "record.html", status=status, visitor=visitor, **context)


def _back(record_id: int, done: str, back: str) -> Response:
    if not back:
        return redirect_to(f"/record/{record_id}?done={done}")
    parts = urlsplit(local_path(back))
    kept = [(name, value) for name, value in parse_qsl(parts.query) if name != "done"]
    return redirect_to(f"{parts.path}?{urlencode([*kept, ('done', done)])}#record-{record_id}")


def form_of(record: Record) -> RecordForm:
    """The form with the values of the record."""
    return RecordForm(
        version=record.version,
        status=record.status or "",
        note=record.note or "",
        arrived=record.arrived_at or "",
        left=record.left_at or "",
        office_note=record.office_note or "",
    )


def correction_of(form: RecordForm, record: Record) -> Correction | None:
    """The fields that differ from the record, as a correction; None if no field differs."""
    status = form.status if form.status and form.status != record.status else Keep.AS_IS
    # A new status drops the recorded times, so the form's times are given even where they are unchanged.
    gives_times = status is not Keep.AS_IS
    office_note = Keep.AS_IS if form.office_note is None else _changed(form.office_note, record.office_note)
    correction = Correction(
        status=status,
        note=_changed(form.note, record.note),
        reason=form.reason.strip() or None,
        arrived_at=_value(form.arrived) if gives_times else _changed(form.arrived, record.arrived_at),
        left_at=_value(form.left) if gives_times else _changed(form.left, record.left_at),
        office_note=office_note,
    )
    return correction if correction.changes_mark or office_note is not Keep.AS_IS else None


def _value(text: str) -> str | None:
    return text.strip() or None


def _changed(text: str, recorded: str | None) -> str | Keep | None:
    value = _value(text)
    return Keep.AS_IS if value == recorded else value
