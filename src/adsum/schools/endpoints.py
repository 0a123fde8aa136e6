"""`/schools`: the list of schools, and their settings."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import require
from adsum.platform.http.dependencies import provided
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.queries import PageQuery
from adsum.platform.http.schemas import Page, PathId, page_of_items
from adsum.schools.schemas import ChangeSchool, SchoolChangeItem, SchoolItem
from adsum.schools.service import Schools

router = APIRouter(prefix="/schools", tags=["schools"], route_class=JsonRoute)
SchoolsService = Annotated[Schools, Depends(provided(Schools))]
SchoolId = Annotated[PathId, Path(alias="schoolId")]
Reader = Annotated[Caller, Depends(require(Permission.ROSTER_READ))]
Manager = Annotated[Caller, Depends(require(Permission.SCHOOL_MANAGE))]


@router.get("", name="listSchools", summary="Schools")
async def list_schools(
    query: Annotated[PageQuery, Query()], schools: SchoolsService, caller: Reader
) -> Page[SchoolItem]:
    """The schools that you see, by id."""
    page = await schools.page(caller, query.page)
    return page_of_items(page, SchoolItem.model_validate)


@router.patch("/{schoolId}", name="changeSchool", summary="Change settings of a school")
async def change_school(
    school_id: SchoolId, body: ChangeSchool, schools: SchoolsService, caller: Manager
) -> SchoolItem:
    """The time zone decides from now on which day it is at the school; records keep their days.

    Sessions without times are due on the weekdays, in the past, too.

    After the edit window, only the office may mark and correct, with a reason.
    """
    return SchoolItem.model_validate(await schools.change(school_id, body.to_settings(), caller))


@router.get("/{schoolId}/changes", name="listSchoolChanges", summary="Every change of a school's settings")
async def list_school_changes(
    school_id: SchoolId, query: Annotated[PageQuery, Query()], schools: SchoolsService, caller: Manager
) -> Page[SchoolChangeItem]:
    """The newest change first."""
    page = await schools.changes(school_id, caller, query.page)
    return page_of_items(page, SchoolChangeItem.of)
