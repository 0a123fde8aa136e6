"""`/schools`: schools and their edit windows."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import each_named_once, require
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.queries import PageQuery
from adsum.platform.http.schemas import Page, PathId, Schema
from adsum.schools.rules import MAX_EDIT_WINDOW_DAYS

router = APIRouter(prefix="/schools", tags=["schools"], dependencies=[Depends(each_named_once)])
SchoolId = Annotated[PathId, Path(alias="schoolId")]
Reader = Annotated[Caller, Depends(require(Permission.ROSTER_READ))]
Manager = Annotated[Caller, Depends(require(Permission.SCHOOL_MANAGE))]


class SchoolItem(Schema):
    """A school. `sourcedId` is its id in the roster file, `timeZone` an IANA name."""

    id: int
    sourced_id: Annotated[str | None, Field(validation_alias="source_id")]
    name: str
    time_zone: str
    edit_window_days: Annotated[int | None, Field(description="null: teachers may write about any day")] = None


class ChangeSchool(Schema):
    """`editWindowDays`: for so many days after a learning date its teachers may still write; null: for ever."""

    edit_window_days: Annotated[int, Field(ge=0, le=MAX_EDIT_WINDOW_DAYS, strict=True)] | None


@router.get("", name="listSchools", summary="Schools")
async def list_schools(query: Annotated[PageQuery, Query()], adsum: OpenAdsum, caller: Reader) -> Page[SchoolItem]:
    """The schools that you see, by id."""
    page = await adsum.schools.page(caller, query.page)
    return Page(items=[SchoolItem.model_validate(row) for row in page.items], next_cursor=page.next_cursor)


@router.patch("/{schoolId}", name="changeSchool", summary="Set for how long teachers may write about a day")
async def change_school(school_id: SchoolId, body: ChangeSchool, adsum: OpenAdsum, caller: Manager) -> SchoolItem:
    """The office may always, with a reason."""
    return SchoolItem.model_validate(await adsum.schools.set_edit_window(school_id, body.edit_window_days, caller))
