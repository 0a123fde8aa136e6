"""`/attendances`: lists, files and single attendance records; corrections and their history."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.responses import StreamingResponse

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import require
from adsum.attendance.correction_rules import Correction
from adsum.attendance.corrections import Corrections, RecordChanged
from adsum.attendance.rules import VisibleRecord
from adsum.attendance.schemas import (
    COLUMNS,
    ChangeItem,
    CorrectionReason,
    CorrectRecord,
    RecordItem,
    RecordQuery,
    rows_of_cells,
)
from adsum.attendance.service import Records
from adsum.platform.errors import ConfirmationNeeded, StaleVersion
from adsum.platform.http.dependencies import provided
from adsum.platform.http.documented_errors import raises
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.list_files import AS_FILE, Accept, file_answer, wanted_file
from adsum.platform.http.queries import PageQuery
from adsum.platform.http.rate_limits import costly_as_file
from adsum.platform.http.schemas import Page, PathId, page_of_items
from adsum.platform.http.versions import IfMatchVersions, etag

router = APIRouter(prefix="/attendances", tags=["attendances"], route_class=JsonRoute)

RecordId = Annotated[PathId, Path(alias="id")]
Reader = Annotated[Caller, Depends(require(Permission.ATTENDANCE_READ))]
Corrector = Annotated[Caller, Depends(require(Permission.ATTENDANCE_CREATE))]
RecordsService = Annotated[Records, Depends(provided(Records))]
CorrectionsService = Annotated[Corrections, Depends(provided(Corrections))]


@router.get(
    "",
    name="listAttendances",
    summary="Attendance records",
    response_model=Page[RecordItem],
    responses=AS_FILE | raises(ConfirmationNeeded),
)
@costly_as_file
async def list_attendances(
    query: Annotated[RecordQuery, Query()],
    records: RecordsService,
    caller: Reader,
    response: Response,
    accept: Accept = "",
) -> Page[RecordItem] | StreamingResponse:
    """The records that you see, by learning date, session and student; a teacher those of days on which they taught.

    With `Accept: text/csv`, or that of XLSX: all matching records in one file, without `limit` and `cursor`. Cells that
    a spreadsheet would interpret as a formula begin with an apostrophe. `text/csv; bom=true` begins with a byte order
    mark, by which Excel recognises UTF-8. Names need `roster:read`.
    """
    if (file := wanted_file(accept)) is not None:
        chunks = await records.export(caller, query.filters, file.kind.ending)
        return await file_answer(file, "attendances", COLUMNS, rows_of_cells(chunks))
    response.headers["Vary"] = "Accept"
    page = await records.page(caller, query.filters, query.page)
    return page_of_items(page, RecordItem.of)


@router.get("/{id}", name="getAttendance", summary="One attendance record")
async def get_attendance(
    record_id: RecordId, corrections: CorrectionsService, caller: Reader, response: Response
) -> RecordItem:
    """The `ETag` is its version, for `If-Match`."""
    return _answer(await corrections.record(record_id, caller), response)


@router.patch("/{id}", name="correctAttendance", summary="Correct one record")
async def correct_attendance(
    record_id: RecordId,
    body: CorrectRecord,
    versions: IfMatchVersions,
    corrections: CorrectionsService,
    caller: Corrector,
    response: Response,
) -> RecordItem:
    """412, with the changes, if the record no longer has the version in `If-Match`; 428 without `If-Match`.

    A correction without changes writes nothing. A repeated correction returns the same response. A mark that
    the office has set stays: a teacher's mark is stored beside it, as `contradiction`.
    """
    with _described_conflict():
        return _answer(await corrections.correct(record_id, versions, body.to_correction(), caller), response)


@router.delete("/{id}", name="clearAttendance", summary="Clear one mark")
async def clear_attendance(
    record_id: RecordId,
    versions: IfMatchVersions,
    corrections: CorrectionsService,
    caller: Corrector,
    response: Response,
    reason: Annotated[CorrectionReason | None, Query()] = None,
) -> RecordItem:
    """Clears the mark. The record stays, without a status, and keeps its history."""
    correction = Correction(status=None, reason=reason)
    with _described_conflict():
        return _answer(await corrections.correct(record_id, versions, correction, caller), response)


@router.get("/{id}/history", name="listAttendanceChanges", summary="Every change of one record")
async def list_attendance_changes(
    record_id: RecordId, query: Annotated[PageQuery, Query()], corrections: CorrectionsService, caller: Reader
) -> Page[ChangeItem]:
    """The newest change first, down to the first mark of the record."""
    page = await corrections.history(record_id, caller, query.page)
    return page_of_items(page, ChangeItem.of)


def _answer(visible: VisibleRecord, response: Response) -> RecordItem:
    response.headers["ETag"] = etag(visible.record.version)
    return RecordItem.of_visible(visible)


@contextmanager
def _described_conflict() -> Generator[None]:
    """Adds the record and its changes to a 412, in the form of the API."""
    try:
        yield
    except RecordChanged as error:
        record = error.record
        current = {"version": record.version, "status": record.status, "note": record.note}
        changes = [ChangeItem.of(change).model_dump(mode="json", by_alias=True) for change in error.changes]
        raise StaleVersion(error.detail, current=current, changes=changes) from error
