"""`/contradictions`: disputed marks, and settling them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import SentKey, require
from adsum.attendance.disputed_marks.schemas import ContradictionItem, ContradictionQuery, Settle
from adsum.attendance.disputed_marks.service import DisputedMarks
from adsum.attendance.schemas import RecordItem
from adsum.platform.errors import StaleVersion
from adsum.platform.http.dependencies import provided
from adsum.platform.http.documented_errors import raises
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.schemas import Page, PathId, page_of_items

router = APIRouter(prefix="/contradictions", tags=["contradictions"], route_class=JsonRoute)
DisputedMarksService = Annotated[DisputedMarks, Depends(provided(DisputedMarks))]


@router.get("", name="listContradictions", summary="Marks of teachers that differ from the office's marks")
async def list_contradictions(
    query: Annotated[ContradictionQuery, Query()],
    disputed_marks: DisputedMarksService,
    caller: Annotated[Caller, Depends(require(Permission.ATTENDANCE_READ))],
) -> Page[ContradictionItem]:
    """Open contradictions, the newest day first; a teacher sees those of the days on which they taught."""
    page = await disputed_marks.page(caller, query.filters, query.page)
    return page_of_items(page, ContradictionItem.of)


@router.post(
    "/{id}/settle", name="settleContradiction", summary="Choose the mark that holds", responses=raises(StaleVersion)
)
async def settle_contradiction(
    contradiction_id: Annotated[PathId, Path(alias="id")],
    body: Settle,
    disputed_marks: DisputedMarksService,
    caller: Annotated[Caller, Depends(require(Permission.ATTENDANCE_OVERRULE))],
    key: SentKey,
) -> RecordItem:
    """Returns the record after the decision. 404 if the contradiction is settled already."""
    keyed = key.answering(body, RecordItem.of, HTTPStatus.OK)
    return RecordItem.of(await disputed_marks.settle(contradiction_id, body.holds, body.reason, caller, keyed=keyed))
