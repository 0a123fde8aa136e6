"""One attendance record: what it says, correcting it, clearing it, and its history."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Response
from pydantic import Field

from adsum.domain.access import Caller, Permission
from adsum.domain.corrections import MAX_REASON, Correction, Keep
from adsum.domain.statuses import MAX_NOTE
from adsum.errors import Flaw, Invalid, VersionRequired
from adsum.services.corrections import change_as_json
from adsum.storage.records import RecordRow
from adsum.web.attendances import RecordItem
from adsum.web.authentication import require
from adsum.web.dependencies import OpenAdsum
from adsum.web.queries import PageQuery, each_named_once
from adsum.web.schemas import Moment, Page, PathId, PlainText, Schema

router = APIRouter(prefix="/attendances", tags=["attendances"], dependencies=[Depends(each_named_once)])
_ETAGS = re.compile(r'(W/)?"[^"]*"(\s*,\s*(W/)?"[^"]*")*')
_VERSION = re.compile(r'(?:^|[\s,])"([1-9][0-9]{0,9})"')

RecordId = Annotated[PathId, Path(alias="id")]
Reader = Annotated[Caller, Depends(require(Permission.ATTENDANCE_READ))]
Corrector = Annotated[Caller, Depends(require(Permission.ATTENDANCE_CREATE))]
Reason = Annotated[PlainText, Field(max_length=MAX_REASON, description="Why, for the history")]


async def _versions(
    if_match: Annotated[str | None, Header(description='The version that you saw, in quotes: `"3"`')] = None,
) -> frozenset[int]:
    """The versions that a change may build upon. A weak one is none, and `*` would be whatever others have written."""
    if if_match is None or if_match.strip() == "*":
        raise VersionRequired('name the version that you saw, as the ETag has it: If-Match: "3"')
    if _ETAGS.fullmatch(if_match.strip()) is None:
        detail = f'{if_match[:40]!r} is no ETag: write the version in quotes, as in If-Match: "3"'
        flaw = Flaw("wrong_form", detail, "/header/If-Match", {"in": "header", "name": "If-Match"})
        raise Invalid(detail, [flaw])
    return frozenset(int(version) for version in _VERSION.findall(if_match))


SeenVersions = Annotated[frozenset[int], Depends(_versions)]


class CorrectRecord(Schema):
    """What is to be changed. A field that is left out stays; a null `note` takes the note away."""

    status: Annotated[PlainText, Field(max_length=32)] | None = None
    note: Annotated[PlainText, Field(max_length=MAX_NOTE)] | None = None
    reason: Reason | None = None

    def to_correction(self) -> Correction:
        return Correction(
            status=self.status if self.status is not None else Keep.AS_IS,
            note=self.note if "note" in self.model_fields_set else Keep.AS_IS,
            reason=self.reason,
        )


class MarkOfVersion(Schema):
    """What a record says in one version. `status` is null where the mark was cleared."""

    status: str | None
    note: str | None


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

    Nothing is written where nothing changes. The same correction sent again is answered as the first time.
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


def _answer(row: RecordRow, response: Response) -> RecordItem:
    response.headers["ETag"] = f'"{row.version}"'
    return RecordItem.of(row)
