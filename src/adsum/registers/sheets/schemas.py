"""Bodies that the page of a register sheet and its script exchange."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from adsum.attendance.rules import Mark, may_have_times
from adsum.attendance.statuses.rules import Status, StatusFlag, tone_of
from adsum.batches.schemas import BatchStatusAnswer, StudentList
from adsum.platform.errors import AdsumError, Invalid, Violation, number_of_errors
from adsum.platform.http.schemas import Flag, Id, Note, PlainText, Schema, SentSchema
from adsum.platform.ids import MAX_ID, Batch
from adsum.platform.texts import MAX_REASON
from adsum.registers.sheets.rules import RegisterSheet, SavedSheet, SheetMark, SheetRow, SubmittedSheet
from adsum.roster.rules import MAX_VERSION_LENGTH

_POINTER = re.compile(r"/marks/([0-9]+)")


class SentMark(SentSchema):
    """A new or changed mark; with the record and its version if the page showed one."""

    student_id: Id
    status: Annotated[PlainText, Field(max_length=32)]
    note: Note | None = None
    arrived_at: Annotated[PlainText, Field(max_length=5)] | None = None
    left_at: Annotated[PlainText, Field(max_length=5)] | None = None
    record_id: Id | None = None
    version: Annotated[int, Field(ge=1, le=MAX_ID, strict=True)] | None = None

    @property
    def mark(self) -> SheetMark:
        record = (self.record_id, self.version) if self.version is not None else (None, None)
        return SheetMark(self.student_id, Mark(self.status, self.note, self.arrived_at, self.left_at), *record)


class SentSheet(SentSchema):
    """The new and changed marks of a sheet."""

    roster_version: Annotated[str, Field(max_length=MAX_VERSION_LENGTH)]
    marks: Annotated[Sequence[SentMark], StudentList]
    force: Flag = False
    reason: Annotated[PlainText, Field(max_length=MAX_REASON)] | None = None

    def require_statuses(self) -> None:
        """Raises Invalid if a mark has a note or a time, and no status."""
        wrong = [
            Violation("mark_missing", "a note needs a mark: choose a status", f"/marks/{i}/status")
            for i, each in enumerate(self._first_marks)
            if not each.status
        ]
        if wrong:
            raise Invalid(f"the sheet has {number_of_errors(len(wrong))}", wrong)

    def wrong_marks(self, error: AdsumError) -> dict[int, Violation]:
        """The violations at marks, by student. Their pointers count the marks of students without a record."""
        first = self._first_marks
        found = ((_POINTER.match(each.pointer), each) for each in error.violations)
        return {first[int(place[1])].student_id: each for place, each in found if place is not None}

    @property
    def _first_marks(self) -> list[SentMark]:
        return [each for each in self.marks if each.version is None]

    def submitted(self, batch: Batch, idempotency_key: str | None) -> SubmittedSheet:
        marks = [each.mark for each in self.marks]
        return SubmittedSheet(batch, self.roster_version, marks, idempotency_key, force=self.force, reason=self.reason)


class SheetStatus(Schema):
    """A status that can be given.

    Attributes:
        code, label, letter: of the status. The letter is its key.
        look: its class of the stylesheet.
        has_times: whether its marks may have an arrival or a departure.
        prefills: the time that becomes the present time when the status is chosen: `arrivedAt`, `leftAt` or None.
    """

    code: str
    label: str
    letter: str
    look: str
    has_times: bool
    prefills: str | None

    @classmethod
    def of(cls, status: Status, label: str) -> SheetStatus:
        is_late, leaves = StatusFlag.LATE in status.flags, StatusFlag.LEFT_EARLY in status.flags
        return cls(
            code=status.code,
            label=label,
            letter=status.letter,
            look=tone_of(status),
            has_times=may_have_times(status),
            prefills="arrivedAt" if is_late else "leftAt" if leaves else None,
        )


class SheetMarkItem(Schema):
    """A mark."""

    status: str
    note: str | None
    arrived_at: str | None
    left_at: str | None

    @classmethod
    def of(cls, mark: Mark) -> SheetMarkItem:
        return cls(status=mark.status, note=mark.note, arrived_at=mark.arrived_at, left_at=mark.left_at)


class SheetRowItem(Schema):
    """A student of the sheet.

    Attributes:
        record_id, version: of the record; None: there is none.
        recorded: the recorded mark.
        requested: the mark that is received and not recorded, or that failed.
        is_offices: whether the record is the office's.
        disputed_status: of the disputed mark from class.
        failure: the code of the reason why the newest run could not record the student.
    """

    student_id: int
    record_id: int | None = None
    version: int | None = None
    recorded: SheetMarkItem | None = None
    requested: SheetMarkItem | None = None
    is_offices: bool = False
    disputed_status: str | None = None
    failure: str | None

    @classmethod
    def of(cls, row: SheetRow) -> SheetRowItem:
        record = row.record
        requested = SheetMarkItem.of(row.requested) if row.requested is not None else None
        if record is None:
            return cls(student_id=row.student_id, requested=requested, failure=row.failure)
        return cls(
            student_id=row.student_id,
            record_id=record.record_id,
            version=record.version,
            recorded=SheetMarkItem.of(record.mark),
            requested=requested,
            is_offices=record.is_offices,
            disputed_status=record.disputed_status,
            failure=row.failure,
        )


class RefusedMark(Schema):
    """The reason why a record did not change. `code` is stable, `detail` is for people."""

    code: str
    detail: str

    @classmethod
    def of(cls, error: AdsumError) -> RefusedMark:
        first = error.violations[0] if error.violations else error
        return cls(code=first.code, detail=first.detail)


class SheetAnswer(Schema):
    """The sheet, with which the script updates a page that was open for a while."""

    user_id: int
    """The signed-in user: another one than that of the page may have signed in."""
    roster_version: str
    rows: Sequence[SheetRowItem]
    newest_run: BatchStatusAnswer | None
    received_at: str | None
    """When the newest submission was received: a time of the school, in the visitor's language."""
    warnings: Sequence[str] = ()
    """Codes."""

    @classmethod
    def of(cls, sheet: RegisterSheet, user_id: int, received_at: str | None) -> SheetAnswer:
        return cls(
            user_id=user_id,
            roster_version=sheet.roster_version,
            rows=[SheetRowItem.of(row) for row in sheet.rows],
            newest_run=None if sheet.newest_run is None else BatchStatusAnswer.of(sheet.newest_run),
            received_at=received_at,
            warnings=[warning.code for warning in sheet.warnings],
        )


class SavedSheetAnswer(Schema):
    """The result of saving a sheet, and the sheet afterwards."""

    batch_id: str | None = None
    is_skipped: bool = False
    is_queued: bool = False
    corrected: Sequence[int]
    kept: Sequence[int]
    refused: Mapping[str, RefusedMark]
    sheet: SheetAnswer

    @classmethod
    def of(cls, saved: SavedSheet, sheet: SheetAnswer) -> SavedSheetAnswer:
        answer = cls(
            corrected=list(saved.corrected),
            kept=list(saved.kept),
            refused={str(student_id): RefusedMark.of(error) for student_id, error in saved.refused.items()},
            sheet=sheet,
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
