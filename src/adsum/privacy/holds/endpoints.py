"""`/holds` and `/students/{id}/holds`: data of students that nobody may delete for now."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import SentKey, require
from adsum.platform.http.dependencies import provided
from adsum.platform.http.documented_errors import raises
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.queries import PageQuery
from adsum.platform.http.schemas import Page, PathId, page_of_items
from adsum.privacy.holds.rules import HoldExists
from adsum.privacy.holds.schemas import HoldItem, PlaceHold
from adsum.privacy.holds.service import StudentHolds
from adsum.privacy.rules import OtherSchools

router = APIRouter(tags=["students' data"], route_class=JsonRoute)
HoldsService = Annotated[StudentHolds, Depends(provided(StudentHolds))]
Responsible = Annotated[Caller, Depends(require(Permission.STUDENT_DATA))]


class HoldQuery(PageQuery):
    """The filters of holds."""

    school_id: PathId | None = None


@router.get("/holds", name="listHolds", summary="Holds in effect")
async def list_holds(query: Annotated[HoldQuery, Query()], holds: HoldsService, caller: Responsible) -> Page[HoldItem]:
    """Holds on students of the caller's schools, the oldest first."""
    page = await holds.page(caller, query.page, query.school_id)
    return page_of_items(page, HoldItem.model_validate)


@router.post(
    "/students/{id}/holds",
    name="placeHold",
    summary="Place a hold on a student",
    status_code=HTTPStatus.CREATED,
    responses=raises(OtherSchools, HoldExists),
)
async def place_hold(
    student_id: Annotated[PathId, Path(alias="id")],
    body: PlaceHold,
    holds: HoldsService,
    caller: Responsible,
    key: SentKey,
) -> HoldItem:
    """Until it is lifted, retention keeps everything about the student, and an erasure, or a merge that removes the
    record, is refused with 409 `student_on_hold`. Several holds for different reasons last until all are lifted.
    """
    keyed = key.answering(body, HoldItem.model_validate, HTTPStatus.CREATED)
    return HoldItem.model_validate(await holds.place(student_id, body.reason, body.reference, caller, keyed))


@router.delete("/holds/{id}", name="liftHold", summary="Lift a hold")
async def lift_hold(hold_id: Annotated[PathId, Path(alias="id")], holds: HoldsService, caller: Responsible) -> HoldItem:
    """The lifted hold stays stored, and is part of the exported data of the student."""
    return HoldItem.model_validate(await holds.lift(hold_id, caller))
