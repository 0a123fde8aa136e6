"""`/schools/{schoolId}/statuses`: the statuses of a school."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import SentKey, require
from adsum.attendance.statuses.rules import MAX_CODE
from adsum.attendance.statuses.schemas import ChangeStatus, NewStatus, StatusItem
from adsum.attendance.statuses.service import LetterTaken, Statuses, StatusExists, StatusNeeded
from adsum.platform.http.dependencies import provided
from adsum.platform.http.documented_errors import raises
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.schemas import Page, PathId

router = APIRouter(
    prefix="/schools/{schoolId}/statuses",
    tags=["schools"],
    route_class=JsonRoute,
)
SchoolId = Annotated[PathId, Path(alias="schoolId")]
Code = Annotated[str, Path(max_length=MAX_CODE, description="The `code` of the status.")]
Reader = Annotated[Caller, Depends(require(Permission.ROSTER_READ))]
Manager = Annotated[Caller, Depends(require(Permission.SCHOOL_MANAGE))]
StatusesService = Annotated[Statuses, Depends(provided(Statuses))]


@router.get("", name="listStatuses", summary="The statuses of a school")
async def list_statuses(
    school_id: SchoolId,
    statuses: StatusesService,
    caller: Reader,
    *,
    retired: Annotated[bool, Query(description="Include retired statuses.")] = False,
) -> Page[StatusItem]:
    """In the school's order."""
    found = await statuses.all_of(school_id, caller)
    return Page(items=[StatusItem.of(each) for each in found if retired or each.is_in_use])


@router.post(
    "",
    name="addStatus",
    summary="Add a status",
    status_code=HTTPStatus.CREATED,
    responses=raises(StatusExists, LetterTaken),
)
async def add_status(
    school_id: SchoolId, body: NewStatus, statuses: StatusesService, caller: Manager, key: SentKey
) -> StatusItem:
    """409 if the code exists, retired or not, or if another status has the letter."""
    keyed = key.answering(body, StatusItem.of, HTTPStatus.CREATED)
    return StatusItem.of(await statuses.add(school_id, body.to_status(), caller, keyed))


@router.patch(
    "/{code}",
    name="changeStatus",
    summary="Rename, reorder or retire a status",
    responses=raises(LetterTaken, StatusNeeded),
)
async def change_status(
    school_id: SchoolId, code: Code, body: ChangeStatus, statuses: StatusesService, caller: Manager
) -> StatusItem:
    """Records keep the status. `present` and `absent` cannot be retired."""
    return StatusItem.of(await statuses.change(school_id, code, body.to_change(), caller))
