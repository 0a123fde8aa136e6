"""A register sheet as a browser sends it: as JSON from the page's script, or as a plain form without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from fastapi import Request
from pydantic import Field, ValidationError

from adsum.attendance.statuses.rules import PRESENT
from adsum.platform.errors import Invalid
from adsum.platform.http.problems import violation_of
from adsum.platform.http.schemas import Flag, Id, PlainText, Schema
from adsum.platform.ids import MAX_ID, Batch
from adsum.platform.texts import MAX_NOTE, MAX_REASON
from adsum.registers.sheets.rules import SheetMark, TakenSheet
from adsum.roster.rules import MAX_VERSION_LENGTH

# A few fields a student, and the largest batch there may be.
MAX_FIELDS = 130_000
_SEEN = re.compile(r"([0-9]{1,18}):([0-9]{1,9}):([a-z0-9_-]{1,32})")


class SentMark(Schema):
    """One student's mark; with the record and its version where one stood on the page."""

    student_id: Id
    status: Annotated[PlainText, Field(max_length=32)]
    note: Annotated[PlainText, Field(max_length=MAX_NOTE)] | None = None
    record_id: Id | None = None
    version: Annotated[int, Field(ge=1, le=MAX_ID)] | None = None


class SentSheet(Schema):
    """The marks that are new or changed."""

    roster_version: Annotated[str, Field(max_length=MAX_VERSION_LENGTH)]
    marks: Annotated[Sequence[SentMark], Field(max_length=20_000)]
    force: Flag = False
    reason: Annotated[PlainText, Field(max_length=MAX_REASON)] | None = None

    def taken(self, batch: Batch, idempotency_key: str | None) -> TakenSheet:
        marks = [SheetMark(each.student_id, each.status, each.note, *self._seen(each)) for each in self.marks]
        return TakenSheet(batch, self.roster_version, marks, idempotency_key, force=self.force, reason=self.reason)

    @staticmethod
    def _seen(mark: SentMark) -> tuple[int | None, int | None]:
        return (mark.record_id, mark.version) if mark.version is not None else (None, None)


async def sent_sheet(request: Request) -> SentSheet:
    """What the browser has sent.

    Raises:
        Invalid: with one violation for every wrong thing.
    """
    is_form = not request.headers.get("Content-Type", "").startswith("application/json")
    try:
        return SentSheet.model_validate(await _form(request)) if is_form else await _json(request)
    except ValidationError as error:
        violations = [violation_of(each) for each in error.errors(include_input=False)]
        raise Invalid("; ".join(violation.detail for violation in violations[:5]), violations) from None


async def _json(request: Request) -> SentSheet:
    return SentSheet.model_validate_json(await request.body())


async def _form(request: Request) -> dict[str, object]:
    async with request.form(max_fields=MAX_FIELDS) as form:
        fields = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    return {
        "rosterVersion": fields.get("rosterVersion", ""),
        "marks": list(_marks(fields)),
        "force": "force" in fields,
        "reason": fields.get("reason") or None,
    }


def _marks(fields: Mapping[str, str]) -> Iterator[dict[str, object]]:
    """Those that say something else than what stood on the page; with `rest`, everybody else is present."""
    for name, seen in fields.items():
        found = re.fullmatch(r"seen-([0-9]{1,18})", name)
        if found is None:
            continue
        student = found[1]
        status = fields.get(f"status-{student}") or (PRESENT if "rest" in fields else None)
        note, noted = fields.get(f"note-{student}", "").strip(), fields.get(f"noted-{student}", "")
        stood = _SEEN.fullmatch(seen)
        if status is None or (stood is not None and (status, note) == (stood[3], noted)):
            continue
        mark: dict[str, object] = {"studentId": int(student), "status": status, "note": note or None}
        yield mark | ({"recordId": int(stood[1]), "version": int(stood[2])} if stood is not None else {})
