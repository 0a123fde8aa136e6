"""`/take/{classId}/{sessionId}/{day}`: the sheet on which a register is taken.

The page's script sends JSON. A browser without scripts sends a form.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from http import HTTPStatus
from json import JSONDecodeError
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from pydantic import ValidationError

from adsum.accounts.visitors import Visitor
from adsum.attendance.statuses.rules import PRESENT, tone_of
from adsum.batches.job_outcomes import reason_text
from adsum.platform.days import time_of
from adsum.platform.errors import Conflict, Forbidden, Invalid, Malformed, StaleVersion, number_of_errors
from adsum.platform.http.dependencies import provided
from adsum.platform.http.idempotency import IdempotencyKeyHeader
from adsum.platform.http.json_bodies import json_of
from adsum.platform.http.problems import BODY, violation_of
from adsum.platform.http.schemas import Schema
from adsum.platform.ids import Batch
from adsum.platform.pages.page_visitor import own_form, reads_form
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute, wants_json
from adsum.platform.texts import note_text
from adsum.registers.pages import RemindersService, RequestedRegister, Taker
from adsum.registers.sheets.rules import RegisterSheet
from adsum.registers.sheets.schemas import SavedSheetAnswer, SentSheet, SheetAnswer, SheetStatus
from adsum.registers.sheets.service import RegisterSheets

router = APIRouter(prefix="/take", include_in_schema=False, route_class=PageRoute)
SheetsService = Annotated[RegisterSheets, Depends(provided(RegisterSheets))]

# A few fields for each student of the largest batch.
MAX_FIELDS = 130_000
_RECORD = re.compile(r"([0-9]{1,18}):([0-9]{1,9}):([a-z0-9_-]{1,32})")


@router.get("/{class_id}/{session_id}/{day}")
async def show_register(
    request: Request, batch: RequestedRegister, sheets: SheetsService, reminders: RemindersService, visitor: Taker
) -> Response:
    """The page; for the page's script, the recorded marks."""
    sheet = await sheets.sheet(*_parts(batch), visitor.caller)
    if wants_json(request):
        return _json(_answer(request, visitor, sheet))
    return _page(request, visitor, sheet, reminders=await reminders.shown_to(visitor.caller, request.url.path))


@router.get("/{class_id}/{session_id}/{day}/blank")
async def show_blank_register(
    request: Request, batch: RequestedRegister, sheets: SheetsService, visitor: Taker
) -> Response:
    """The register without marks, to print and to fill in by hand."""
    sheet = await sheets.sheet(*_parts(batch), visitor.caller)
    statuses = [each for each in sheet.statuses if each.is_in_use]
    return site_of(request).page(request, "register_blank.html", visitor=visitor, sheet=sheet, statuses=statuses)


@router.post("/{class_id}/{session_id}/{day}")
@reads_form
async def save_register(
    request: Request,
    batch: RequestedRegister,
    sheets: SheetsService,
    visitor: Taker,
    idempotency_key: IdempotencyKeyHeader = None,
) -> Response:
    """Saves new and changed marks. The answer to a form is the page with the recorded marks."""
    sent = await _sent_sheet(request)
    try:
        sent.require_statuses()
        saved = await sheets.save(sent.submitted(batch, idempotency_key), visitor.caller)
    except (Invalid, Conflict, Forbidden) as error:
        if wants_json(request):
            raise
        sheet = await sheets.sheet(*_parts(batch), visitor.caller)
        typed = {each.student_id: each.mark.mark for each in sent.marks}
        status = HTTPStatus.CONFLICT if isinstance(error, Conflict) else HTTPStatus.UNPROCESSABLE_ENTITY
        return _page(request, visitor, sheet, status=status, error=error, typed=typed, wrong=sent.wrong_marks(error))
    if not wants_json(request):
        if saved.refused:
            sheet = await sheets.sheet(*_parts(batch), visitor.caller)
            # A mark that somebody has changed since is not shown again: the next save would overwrite what it became.
            stays = {key for key, error in saved.refused.items() if not isinstance(error, StaleVersion)}
            typed = {each.student_id: each.mark.mark for each in sent.marks if each.student_id in stays}
            return _page(request, visitor, sheet, status=HTTPStatus.CONFLICT, refused=saved.refused, typed=typed)
        return RedirectResponse(request.url.path, HTTPStatus.SEE_OTHER)
    sheet = await sheets.sheet(*_parts(batch), visitor.caller)
    return _json(SavedSheetAnswer.of(saved, _answer(request, visitor, sheet)))


def _parts(batch: Batch) -> tuple[int, int, date]:
    return batch.class_id, batch.session_id, batch.learning_date


def _answer(request: Request, visitor: Visitor, sheet: RegisterSheet) -> SheetAnswer:
    return SheetAnswer.of(sheet, visitor.user_id, _received_at(request, sheet))


def _received_at(request: Request, sheet: RegisterSheet) -> str | None:
    newest = sheet.newest_run
    if newest is None:
        return None
    return site_of(request).language_of(request).time(newest.started_at, sheet.time_zone, "short")


def _json(answer: Schema) -> JSONResponse:
    return JSONResponse(answer.model_dump(mode="json"))


def _page(
    request: Request, visitor: Visitor, sheet: RegisterSheet, *, status: HTTPStatus = HTTPStatus.OK, **context: Any
) -> Response:
    site = site_of(request)
    translated = site.language_of(request).gettext
    statuses = [SheetStatus.of(each, translated(each.label)) for each in sheet.statuses if each.is_in_use]
    return site.page(
        request,
        "register.html",
        status=status,
        visitor=visitor,
        sheet=sheet,
        statuses=[each.model_dump() for each in statuses],
        received_at=_received_at(request, sheet),
        sheet_json=_answer(request, visitor, sheet).model_dump(mode="json", exclude_none=True),
        looks={each.code: tone_of(each) for each in sheet.statuses},
        statuses_by_code={each.code: each for each in sheet.statuses},
        reason_text=reason_text,
        **{"error": None, "typed": {}, "wrong": {}, "refused": {}, **context},
    )


async def _sent_sheet(request: Request) -> SentSheet:
    """The marks in the body of the request. Raises Invalid with one violation for each wrong field."""
    is_json = request.headers.get("Content-Type", "").startswith("application/json")
    try:
        content = await json_of(await request.body(), SentSheet) if is_json else await _form(request)
        return SentSheet.model_validate(content)
    except JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {error.msg} at character {error.pos}") from None
    except ValidationError as error:
        violations = [violation_of({**each, "loc": (BODY, *each["loc"])}) for each in error.errors()]
        raise Invalid(f"the sheet has {number_of_errors(len(violations))}", violations) from None


async def _form(request: Request) -> dict[str, object]:
    async with own_form(request, max_fields=MAX_FIELDS) as form:
        fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    return {
        "rosterVersion": fields.get("rosterVersion", ""),
        "marks": list(_marks(fields)),
        "force": "force" in fields,
        "reason": fields.get("reason") or None,
    }


def _marks(fields: Mapping[str, str]) -> Iterator[dict[str, object]]:
    """Marks that differ from the records that the form showed. With the field `rest`, all others are present.

    A note or a time without a status is a mark with an empty status, which is refused.
    """
    for name, shown in fields.items():
        found = re.fullmatch(r"seen-([0-9]{1,18})", name)
        if found is None:
            continue
        student = found[1]
        status = fields.get(f"status-{student}") or (PRESENT if "rest" in fields else None)
        typed = _details(fields, student, ("note", "arrived", "left"))
        record = _RECORD.fullmatch(shown)
        recorded = _details(fields, student, ("noted", "was-arrived", "was-left"))
        is_empty = status is None and (record is not None or not any(typed))
        if is_empty or (record is not None and (status, typed) == (record[3], recorded)):
            continue
        note, arrived_at, left_at = typed
        mark: dict[str, object] = {"studentId": int(student), "status": status or "", "note": note}
        mark |= {"arrivedAt": arrived_at, "leftAt": left_at}
        yield mark | ({"recordId": int(record[1]), "version": int(record[2])} if record is not None else {})


def _details(fields: Mapping[str, str], student: str, names: tuple[str, str, str]) -> tuple[str | None, ...]:
    """The note, the arrival and the departure in the fields of these names."""
    note, *times = (fields.get(f"{name}-{student}", "") for name in names)
    return (note_text(note) or None, *(time_of(each.strip()) or None for each in times))
