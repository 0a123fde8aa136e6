"""`GET /attendances`: what is recorded, a page of JSON at a time, or all of it as a file."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import each_named_once, require
from adsum.attendance.disputed_marks.repository import ContradictionRow
from adsum.attendance.filters import RecordFilters
from adsum.attendance.repository import RecordRow
from adsum.attendance.service import COLUMNS
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.list_files import AS_FILE, Accept, file_answer, wanted_file
from adsum.platform.http.queries import Day, PageQuery, StatusCode
from adsum.platform.http.schemas import Moment, Page, PathId, Schema

router = APIRouter(tags=["attendances"], dependencies=[Depends(each_named_once)])


class RecordQuery(PageQuery):
    """Filters of the list of records; days are inclusive."""

    class_id: PathId | None = None
    session_id: PathId | None = None
    student_id: PathId | None = None
    first_day: Annotated[Day | None, Field(alias="from", description="First learning date")] = None
    last_day: Annotated[Day | None, Field(alias="to", description="Last learning date")] = None
    status: StatusCode | None = None

    @field_validator("last_day", mode="after")
    @classmethod
    def _not_before_the_first(cls, last_day: date | None, info: ValidationInfo) -> date | None:
        first_day: date | None = info.data.get("first_day")
        if first_day is not None and last_day is not None and last_day < first_day:
            raise PydanticCustomError("days_reversed", "this is before the first day, `from`")
        return last_day

    @property
    def filters(self) -> RecordFilters:
        return RecordFilters(
            class_id=self.class_id,
            session_id=self.session_id,
            student_id=self.student_id,
            first_day=self.first_day,
            last_day=self.last_day,
            status=self.status,
        )


class SaidInClass(Schema):
    """What was said in class of a student whose mark the office has set: it waits for the office to settle it."""

    contradiction_id: int
    status: str
    note: str | None
    said_at: Moment
    said_by_role: str
    said_by_user_id: int | None

    @classmethod
    def of(cls, row: ContradictionRow) -> SaidInClass:
        return cls(
            contradiction_id=row.id,
            status=row.said,
            note=row.said_note,
            said_at=row.said_at,
            said_by_role=row.said_role,
            said_by_user_id=row.user_id,
        )


class RecordItem(Schema):
    """What is recorded about a student in one session on one day. `status` is null where the mark was cleared."""

    id: int
    batch_id: str
    class_id: int
    session_id: int
    student_id: int
    learning_date: date
    status: str | None
    note: str | None
    version: int
    marked_at: Moment
    marked_by_role: str
    marked_by_user_id: Annotated[
        int | None, Field(description="null: an API key that acts for nobody, or the command line")
    ]
    arrived_at: Annotated[str | None, Field(description="Local HH:MM")] = None
    left_at: Annotated[str | None, Field(description="Local HH:MM")] = None
    office_note: Annotated[str | None, Field(description="For the office alone; to others always null")] = None
    absence_id: Annotated[int | None, Field(description="Of the absence known beforehand that it comes from")] = None
    contradiction: Annotated[
        SaidInClass | None, Field(description="Told where one record is asked for; of many, see `/contradictions`")
    ] = None

    @classmethod
    def of(cls, row: RecordRow, beside: ContradictionRow | None = None) -> RecordItem:
        return cls(
            contradiction=SaidInClass.of(beside) if beside is not None else None,
            arrived_at=row.arrived_at,
            left_at=row.left_at,
            office_note=row.office_note,
            absence_id=row.absence_id,
            id=row.id,
            batch_id=row.batch_id,
            class_id=row.class_id,
            session_id=row.session_id,
            student_id=row.student_id,
            learning_date=row.learning_date,
            status=row.status,
            note=row.note,
            version=row.version,
            marked_at=row.marked_at,
            marked_by_role=row.marked_role,
            marked_by_user_id=row.user_id,
        )


@router.get(
    "/attendances",
    name="listAttendances",
    summary="Attendance records",
    response_model=Page[RecordItem],
    responses=AS_FILE,
)
async def list_attendances(
    query: Annotated[RecordQuery, Query()],
    adsum: OpenAdsum,
    caller: Annotated[Caller, Depends(require(Permission.ATTENDANCE_READ))],
    response: Response,
    accept: Accept = "",
) -> Page[RecordItem] | StreamingResponse:
    """The records that you see, by learning date, session and student; a teacher those of days on which they taught.

    With `Accept: text/csv`, or that of XLSX: all that match in one file, whatever `limit` and `cursor` say. Cells that
    a spreadsheet would take for a formula begin with an apostrophe.
    """
    if (file := wanted_file(accept)) is not None:
        pieces = await adsum.records.export(caller, query.filters, file.ending)
        return await file_answer(file, "attendances", COLUMNS, pieces)
    response.headers["Vary"] = "Accept"
    page = await adsum.records.page(caller, query.filters, query.page)
    return Page(items=[RecordItem.of(row) for row in page.items], next_cursor=page.next_cursor)
