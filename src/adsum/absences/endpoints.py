"""`/absences`: what the office knows beforehand of students who will be away."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import Field

from adsum.absences.filters import AbsenceFilters
from adsum.absences.repository import AbsenceRow
from adsum.absences.rules import MAX_SESSIONS, MAX_STUDENTS, Absence
from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import each_named_once, require
from adsum.attendance.statuses.rules import MAX_CODE
from adsum.platform.days import TIME_PATTERN
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.queries import Day, PageQuery
from adsum.platform.http.schemas import Id, Moment, Page, PathId, PlainText, Schema
from adsum.platform.http.versions import SeenVersions, etag
from adsum.platform.texts import MAX_REASON

router = APIRouter(prefix="/absences", tags=["absences"], dependencies=[Depends(each_named_once)])
AbsenceId = Annotated[PathId, Path(alias="id")]
Office = Annotated[Caller, Depends(require(Permission.ATTENDANCE_OVERRULE))]
Time = Annotated[str, Field(pattern=TIME_PATTERN)]
Sessions = Annotated[Sequence[Id], Field(max_length=MAX_SESSIONS, description="Only these; else every session")]
Status = Annotated[PlainText, Field(max_length=MAX_CODE, description="What a register then says")]
Reason = Annotated[PlainText, Field(min_length=1, max_length=MAX_REASON, description="Why, for the office alone")]


class AbsenceQuery(PageQuery):
    """Filters of the list; of the days those that an absence touches."""

    school_id: PathId | None = None
    class_id: PathId | None = None
    student_id: PathId | None = None
    first_day: Annotated[Day | None, Field(alias="from")] = None
    last_day: Annotated[Day | None, Field(alias="to")] = None
    revoked: Annotated[bool, Field(description="With those that were revoked")] = False

    @property
    def filters(self) -> AbsenceFilters:
        return AbsenceFilters(
            self.school_id, self.class_id, self.student_id, self.first_day, self.last_day, self.revoked
        )


class EnterAbsence(Schema):
    """The same absence of each student. Give `sessionIds`, or both times, or neither: then it is all day."""

    student_ids: Annotated[Sequence[Id], Field(min_length=1, max_length=MAX_STUDENTS)]
    first_day: Annotated[Day, Field(alias="from")]
    last_day: Annotated[Day, Field(alias="to", description="Inclusive")]
    session_ids: Sessions | None = None
    from_time: Annotated[Time | None, Field(description="Only sessions that meet after it, by the timetable")] = None
    to_time: Annotated[Time | None, Field(description="Only sessions that meet before it, by the timetable")] = None
    status: Status
    reason: Reason

    def to_absence(self) -> Absence:
        return Absence(
            self.first_day,
            self.last_day,
            self.status,
            self.reason,
            None if self.session_ids is None else tuple(self.session_ids),
            self.from_time,
            self.to_time,
        )


class ChangeAbsence(Schema):
    """What is to be changed; what is left out stays. null takes sessions or times away."""

    first_day: Annotated[Day | None, Field(alias="from")] = None
    last_day: Annotated[Day | None, Field(alias="to")] = None
    session_ids: Sessions | None = None
    from_time: Time | None = None
    to_time: Time | None = None
    status: Status | None = None
    reason: Reason | None = None

    def changed(self, absence: Absence) -> Absence:
        """The absence as it is to be."""
        given: dict[str, Any] = {name: getattr(self, name) for name in self.model_fields_set}
        for name in ("first_day", "last_day", "status", "reason"):
            if given.get(name) is None:
                given.pop(name, None)
        if given.get("session_ids") is not None:
            given["session_ids"] = tuple(given["session_ids"])
        return replace(absence, **given)


class AbsenceItem(Schema):
    """An absence of one student. `version` counts what was changed of it."""

    id: int
    student_id: int
    first_day: Annotated[date, Field(alias="from")]
    last_day: Annotated[date, Field(alias="to")]
    session_ids: Sequence[int] | None
    from_time: str | None
    to_time: str | None
    status: str
    reason: str
    version: int
    revoked_at: Moment | None

    @classmethod
    def of(cls, row: AbsenceRow) -> AbsenceItem:
        absence = row.absence
        return cls(
            id=row.id,
            student_id=row.student_id,
            first_day=absence.first_day,
            last_day=absence.last_day,
            session_ids=absence.session_ids,
            from_time=absence.from_time,
            to_time=absence.to_time,
            status=absence.status,
            reason=absence.reason,
            version=row.version,
            revoked_at=row.revoked_at,
        )


class EnteredAbsences(Schema):
    """What was entered, in the order of `studentIds`."""

    items: Sequence[AbsenceItem]
    corrected_records: Annotated[int, Field(description="Records that were there already, and say it now")]


class VersionOfAbsence(Schema):
    """What an absence said in one version, and who said so. `said` has the fields of an absence, and `revoked`."""

    version: int
    said: dict[str, Any]
    changed_at: Moment
    changed_by_role: Annotated[str, Field(validation_alias="changed_role")]
    changed_by_user_id: Annotated[int | None, Field(validation_alias="user_id")]
    changed_by_key_id: Annotated[int | None, Field(validation_alias="key_id", description="of an API key")]


@router.post("", name="enterAbsence", summary="Say beforehand who will be away", status_code=HTTPStatus.CREATED)
async def enter_absence(body: EnterAbsence, adsum: OpenAdsum, caller: Office) -> EnteredAbsences:
    """Nothing is recorded until a register is taken; then it says the status. What is recorded already is corrected."""
    told = await adsum.absences.add(body.student_ids, body.to_absence(), caller)
    return EnteredAbsences(items=[AbsenceItem.of(row) for row in told.rows], corrected_records=told.corrected)


@router.get("", name="listAbsences", summary="Absences known beforehand")
async def list_absences(query: Annotated[AbsenceQuery, Query()], adsum: OpenAdsum, caller: Office) -> Page[AbsenceItem]:
    """Those that begin last first."""
    page = await adsum.absences.page(caller, query.filters, query.page)
    return Page(items=[AbsenceItem.of(row) for row in page.items], next_cursor=page.next_cursor)


@router.get("/{id}", name="showAbsence", summary="One absence")
async def show_absence(absence_id: AbsenceId, adsum: OpenAdsum, caller: Office, response: Response) -> AbsenceItem:
    """The `ETag` is its version, for `If-Match`."""
    return _answer(await adsum.absences.get(absence_id, caller), response)


@router.patch("/{id}", name="changeAbsence", summary="Change an absence")
async def change_absence(
    absence_id: AbsenceId,
    body: ChangeAbsence,
    versions: SeenVersions,
    adsum: OpenAdsum,
    caller: Office,
    response: Response,
) -> AbsenceItem:
    """412 if it is not of the version in `If-Match` any more; 428 without that. Records follow it."""
    told = await adsum.absences.change(absence_id, versions, body.changed, caller)
    return _answer(told.rows[0], response)


@router.delete("/{id}", name="revokeAbsence", summary="Revoke an absence")
async def revoke_absence(
    absence_id: AbsenceId, versions: SeenVersions, adsum: OpenAdsum, caller: Office, response: Response
) -> AbsenceItem:
    """It stays, with its history, and concerns no day any more. Records say again what they said before it."""
    told = await adsum.absences.revoke(absence_id, versions, caller)
    return _answer(told.rows[0], response)


@router.get("/{id}/history", name="absenceHistory", summary="Every version of an absence")
async def absence_history(
    absence_id: AbsenceId, query: Annotated[PageQuery, Query()], adsum: OpenAdsum, caller: Office
) -> Page[VersionOfAbsence]:
    """The newest first."""
    page = await adsum.absences.history(absence_id, caller, query.page)
    items = [VersionOfAbsence.model_validate(version) for version in page.items]
    return Page(items=items, next_cursor=page.next_cursor)


def _answer(row: AbsenceRow, response: Response) -> AbsenceItem:
    response.headers["ETag"] = etag(row.version)
    return AbsenceItem.of(row)
