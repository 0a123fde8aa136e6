"""Bodies that the page of a register sheet and its script exchange."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from adsum.attendance.statuses.rules import Status, tone_of
from adsum.batches.schemas import BatchStatusAnswer, StudentList
from adsum.platform.http.schemas import Flag, Id, Note, PlainText, Schema, SentSchema
from adsum.platform.ids import MAX_ID, Batch
from adsum.platform.texts import MAX_REASON
from adsum.registers.sheets.rules import RegisterSheet, SavedSheet, SheetMark, SheetRow, SubmittedSheet
from adsum.roster.rules import MAX_VERSION_LENGTH


class SentMark(SentSchema):
    """A new or changed mark; with the record and its version if the page showed one."""

    student_id: Id
    status: Annotated[PlainText, Field(max_length=32)]
    note: Note | None = None
    record_id: Id | None = None
    version: Annotated[int, Field(ge=1, le=MAX_ID)] | None = None

    @property
    def mark(self) -> SheetMark:
        record = (self.record_id, self.version) if self.version is not None else (None, None)
        return SheetMark(self.student_id, self.status, self.note, *record)


class SentSheet(SentSchema):
    """The new and changed marks of a sheet."""

    roster_version: Annotated[str, Field(max_length=MAX_VERSION_LENGTH)]
    marks: Annotated[Sequence[SentMark], StudentList]
    force: Flag = False
    reason: Annotated[PlainText, Field(max_length=MAX_REASON)] | None = None

    def submitted(self, batch: Batch, idempotency_key: str | None) -> SubmittedSheet:
        marks = [each.mark for each in self.marks]
        return SubmittedSheet(batch, self.roster_version, marks, idempotency_key, force=self.force, reason=self.reason)


class SheetStatus(Schema):
    """A status that can be given. `letter` is its key, `look` its class of the stylesheet."""

    code: str
    label: str
    letter: str
    look: str

    @classmethod
    def of(cls, status: Status, label: str) -> SheetStatus:
        return cls(code=status.code, label=label, letter=status.letter, look=tone_of(status))


class SheetRowItem(Schema):
    """A student of the sheet. `disputed_status` is the disputed mark from class."""

    student_id: int
    record_id: int | None = None
    version: int | None = None
    status: str | None = None
    note: str | None = None
    is_offices: bool = False
    disputed_status: str | None = None
    failure: str | None

    @classmethod
    def of(cls, row: SheetRow) -> SheetRowItem:
        record = row.record
        if record is None:
            return cls(student_id=row.student_id, failure=row.failure)
        return cls(
            student_id=row.student_id,
            record_id=record.record_id,
            version=record.version,
            status=record.status,
            note=record.note,
            is_offices=record.is_offices,
            disputed_status=record.disputed_status,
            failure=row.failure,
        )


class SheetAnswer(Schema):
    """The sheet, with which the script updates a page that was open for a while."""

    roster_version: str
    rows: Sequence[SheetRowItem]
    newest_run: BatchStatusAnswer | None
    warnings: Sequence[str] = ()
    """Codes."""

    @classmethod
    def of(cls, sheet: RegisterSheet) -> SheetAnswer:
        return cls(
            roster_version=sheet.roster_version,
            rows=[SheetRowItem.of(row) for row in sheet.rows],
            newest_run=None if sheet.newest_run is None else BatchStatusAnswer.of(sheet.newest_run),
            warnings=[warning.code for warning in sheet.warnings],
        )


class SavedSheetAnswer(Schema):
    """The result of saving a sheet, and the sheet afterwards."""

    batch_id: str | None = None
    is_skipped: bool = False
    is_queued: bool = False
    corrected: Sequence[int]
    kept: Sequence[int]
    refused: Mapping[str, str]
    sheet: SheetAnswer

    @classmethod
    def of(cls, saved: SavedSheet, sheet: RegisterSheet) -> SavedSheetAnswer:
        answer = cls(
            corrected=list(saved.corrected),
            kept=list(saved.kept),
            refused={str(student_id): error.detail for student_id, error in saved.refused.items()},
            sheet=SheetAnswer.of(sheet),
        )
        submitted = saved.submitted
        if submitted is None:
            return answer
        batch = {
            "batch_id": submitted.batch_id,
            "is_skipped": submitted.is_skipped,
            "is_queued": submitted.is_new_run,
        }
        return answer.model_copy(update=batch)
