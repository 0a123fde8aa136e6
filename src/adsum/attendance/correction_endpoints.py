"""One attendance record: what it says, correcting it, clearing it, and its history."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import Field

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import each_named_once, require
from adsum.attendance.corrections import SeenRecord, change_as_json
from adsum.attendance.endpoints import RecordItem
from adsum.attendance.rules import Correction, Keep
from adsum.platform.days import TIME_PATTERN
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.queries import PageQuery
from adsum.platform.http.schemas import Moment, Page, PathId, PlainText, Schema
from adsum.platform.http.versions import SeenVersions, etag
from adsum.platform.texts import MAX_NOTE, MAX_REASON

router = APIRouter(prefix="/attendances", tags=["attendances"], dependencies=[Depends(each_named_once)])

RecordId = Annotated[PathId, Path(alias="id")]
Reader = Annotated[Caller, Depends(require(Permission.ATTENDANCE_READ))]
Corrector = Annotated[Caller, Depends(require(Permission.ATTENDANCE_CREATE))]
Reason = Annotated[PlainText, Field(max_length=MAX_REASON, description="Why, for the history")]


class CorrectRecord(Schema):
    """What is to be changed. A field that is left out stays; null, but for `status`, takes away what was there."""

    status: Annotated[PlainText, Field(max_length=32)] | None = None
    note: Annotated[PlainText, Field(max_length=MAX_NOTE)] | None = None
    reason: Reason | None = None
    arrived_at: Annotated[str, Field(pattern=TIME_PATTERN)] | None = None
    left_at: Annotated[str, Field(pattern=TIME_PATTERN)] | None = None
    office_note: Annotated[PlainText, Field(max_length=MAX_NOTE, description="For the office alone")] | None = None

    def to_correction(self) -> Correction:
        return Correction(
            status=self.status if self.status is not None else Keep.AS_IS,
            note=self._given("note", self.note),
            reason=self.reason,
            arrived_at=self._given("arrived_at", self.arrived_at),
            left_at=self._given("left_at", self.left_at),
            office_note=self._given("office_note", self.office_note),
        )

    def _given(self, name: str, value: str | None) -> str | Keep | None:
        return value if name in self.model_fields_set else Keep.AS_IS


class MarkOfVersion(Schema):
    """What a record says in one version. `status` is null where the mark was cleared."""

    status: str | None
    note: str | None
    arrived_at: str | None = None
    left_at: str | None = None
    office_note: Annotated[str | None, Field(description="null where the change left the office's note alone")] = None


class ChangeItem(Schema):
    """One version of a record: who made it, when, why, and what it said before."""

    version: int
    old: Annotated[MarkOfVersion | None, Field(description="null: the record begins with this version")]
    new: MarkOfVersion
    changed_at: Moment
    changed_by_role: str
    changed_by_user_id: int | None
    changed_by_key_id: Annotated[int | None, Field(description="of an API key")]
    reason: str | None
    run_id: Annotated[str | None, Field(description="The run that made this version; null: a correction")]
    undoes_run_id: Annotated[str | None, Field(description="The run that was undone by this version")] = None
    absence_id: Annotated[int | None, Field(description="Of the absence that the new mark comes from")] = None


@router.get("/{id}", name="showAttendance", summary="One attendance record")
async def show_record(record_id: RecordId, adsum: OpenAdsum, caller: Reader, response: Response) -> RecordItem:
    """The `ETag` is its version, for `If-Match`."""
    return _answer(await adsum.corrections.record(record_id, caller), response)


@router.patch("/{id}", name="correctAttendance", summary="Correct one record")
async def correct_record(
    record_id: RecordId,
    body: CorrectRecord,
    versions: SeenVersions,
    adsum: OpenAdsum,
    caller: Corrector,
    response: Response,
) -> RecordItem:
    """412, with what was changed, if the record is not of the version in `If-Match` any more; 428 without that.

    Nothing is written where nothing changes. The same correction sent again is answered as the first time. A mark that
    the office has set stays: what a teacher says instead is kept beside it, as `contradiction`.
    """
    return _answer(await adsum.corrections.correct(record_id, versions, body.to_correction(), caller), response)


@router.delete("/{id}", name="clearAttendance", summary="Clear one mark")
async def clear_record(
    record_id: RecordId,
    versions: SeenVersions,
    adsum: OpenAdsum,
    caller: Corrector,
    response: Response,
    reason: Annotated[Reason | None, Query()] = None,
) -> RecordItem:
    """A change like any other: the record stays, without a status, and keeps its history."""
    correction = Correction(status=None, reason=reason)
    return _answer(await adsum.corrections.correct(record_id, versions, correction, caller), response)


@router.get("/{id}/history", name="attendanceHistory", summary="Every change of one record")
async def history(
    record_id: RecordId, query: Annotated[PageQuery, Query()], adsum: OpenAdsum, caller: Reader
) -> Page[ChangeItem]:
    """The newest change first, down to the mark that the record began with."""
    page = await adsum.corrections.history(record_id, caller, query.page)
    items = [ChangeItem.model_validate(change_as_json(change)) for change in page.items]
    return Page(items=items, next_cursor=page.next_cursor)


def _answer(seen: SeenRecord, response: Response) -> RecordItem:
    response.headers["ETag"] = etag(seen.record.version)
    return RecordItem.of(seen.record, seen.beside)
