"""Schools, and the statuses that each of them gives."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import each_named_once, require
from adsum.attendance.statuses.rules import MAX_CODE, MAX_LABEL, MAX_POSITION, CountsAs, Status, StatusFlag
from adsum.attendance.statuses.service import StatusChange
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.queries import PageQuery
from adsum.platform.http.schemas import Flag, Moment, Page, PathId, PlainText, Schema
from adsum.schools.edit_window import MAX_WINDOW

router = APIRouter(prefix="/schools", tags=["schools"], dependencies=[Depends(each_named_once)])
SchoolId = Annotated[PathId, Path(alias="schoolId")]
Code = Annotated[str, Path(max_length=MAX_CODE)]
Reader = Annotated[Caller, Depends(require(Permission.ROSTER_READ))]
Manager = Annotated[Caller, Depends(require(Permission.SCHOOL_MANAGE))]
Label = Annotated[PlainText, Field(max_length=MAX_LABEL, description="For people")]
Letter = Annotated[PlainText, Field(max_length=8, description="One character, on registers and on the keyboard")]
Position = Annotated[int, Field(ge=0, le=MAX_POSITION, strict=True, description="The lowest first")]


class SchoolItem(Schema):
    """A school. `sourcedId` is its id in the roster file, `timeZone` an IANA name."""

    id: int
    sourced_id: Annotated[str | None, Field(validation_alias="source_id")]
    name: str
    time_zone: str
    edit_window_days: Annotated[int | None, Field(description="null: teachers may write about any day")] = None


class ChangeSchool(Schema):
    """`editWindowDays`: for so many days after a learning date its teachers may still write; null: for ever."""

    edit_window_days: Annotated[int, Field(ge=0, le=MAX_WINDOW, strict=True)] | None


class StatusItem(Schema):
    """A status. Its `code`, what it counts as and its flags never change; the rest may."""

    code: str
    label: str
    letter: str
    counts_as: CountsAs
    flags: list[StatusFlag]
    position: int
    retired_at: Annotated[Moment | None, Field(description="Since then it is not given any more")]

    @classmethod
    def of(cls, status: Status) -> StatusItem:
        return cls(
            code=status.code,
            label=status.label,
            letter=status.letter,
            counts_as=status.counts_as,
            flags=sorted(status.flags),
            position=status.position,
            retired_at=status.retired_at,
        )


class NewStatus(Schema):
    """A status that a school is to have."""

    code: Annotated[PlainText, Field(max_length=MAX_CODE)]
    label: Label
    letter: Letter
    counts_as: CountsAs
    flags: Annotated[list[StatusFlag], Field(max_length=len(StatusFlag))] = []  # noqa: RUF012 - pydantic copies it
    position: Position = 100


class ChangeStatus(Schema):
    """What of a status is to be changed; what is left out stays."""

    label: Label | None = None
    letter: Letter | None = None
    position: Position | None = None
    retired: Annotated[Flag, Field(description="true: not given any more; history keeps it")] | None = None


@router.get("", name="listSchools", summary="Schools")
async def list_schools(query: Annotated[PageQuery, Query()], adsum: OpenAdsum, caller: Reader) -> Page[SchoolItem]:
    """The schools that you see, by id."""
    page = await adsum.schools.page(caller, query.page)
    return Page(items=[SchoolItem.model_validate(row) for row in page.items], next_cursor=page.next_cursor)


@router.patch("/{schoolId}", name="changeSchool", summary="Set for how long teachers may write about a day")
async def change_school(school_id: SchoolId, body: ChangeSchool, adsum: OpenAdsum, caller: Manager) -> SchoolItem:
    """The office may always, with a reason."""
    return SchoolItem.model_validate(await adsum.schools.set_edit_window(school_id, body.edit_window_days, caller))


@router.get("/{schoolId}/statuses", name="listStatuses", summary="The statuses of a school")
async def list_statuses(
    school_id: SchoolId,
    adsum: OpenAdsum,
    caller: Reader,
    *,
    retired: Annotated[bool, Query(description="With those that are not given any more")] = False,
) -> Page[StatusItem]:
    """In the school's order."""
    statuses = await adsum.statuses.all_of(school_id, caller)
    return Page(items=[StatusItem.of(each) for each in statuses if retired or each.is_in_use])


@router.post("/{schoolId}/statuses", name="addStatus", summary="Add a status", status_code=HTTPStatus.CREATED)
async def add_status(school_id: SchoolId, body: NewStatus, adsum: OpenAdsum, caller: Manager) -> StatusItem:
    """409 where the code exists, retired or not, or the letter is another one's."""
    status = Status(body.code, body.label, body.letter, body.counts_as, frozenset(body.flags), body.position)
    return StatusItem.of(await adsum.statuses.add(school_id, status, caller))


@router.patch("/{schoolId}/statuses/{code}", name="changeStatus", summary="Rename, reorder or retire a status")
async def change_status(
    school_id: SchoolId, code: Code, body: ChangeStatus, adsum: OpenAdsum, caller: Manager
) -> StatusItem:
    """Records that have it keep it. `present` and `absent` cannot be retired."""
    change = StatusChange(body.label, body.letter, body.position, body.retired)
    return StatusItem.of(await adsum.statuses.change(school_id, code, change, caller))
