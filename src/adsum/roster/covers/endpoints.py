"""`/covers`: teachers who cover the classes or sessions of others."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import Field

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import SentKey, require
from adsum.platform.http.dependencies import provided
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.queries import Day, LastDay, PageQuery
from adsum.platform.http.schemas import Page, PathId, page_of_items
from adsum.roster.covers.rules import CoverFilters
from adsum.roster.covers.schemas import AssignCover, AssignCovers, AssignedCovers, CoverItem
from adsum.roster.covers.service import AssignedCover, Covers

router = APIRouter(prefix="/covers", tags=["schools"], route_class=JsonRoute)
Manager = Annotated[Caller, Depends(require(Permission.SCHOOL_MANAGE))]
CoversService = Annotated[Covers, Depends(provided(Covers))]


class CoverQuery(PageQuery):
    """Filters of the list. Days select the covers that include any of them."""

    school_id: PathId | None = None
    class_id: PathId | None = None
    teacher_id: Annotated[PathId | None, Field(description="The `id` of the covering user.")] = None
    first_day: Annotated[Day | None, Field(alias="from")] = None
    last_day: Annotated[LastDay, Field(alias="to")] = None

    @property
    def filters(self) -> CoverFilters:
        return CoverFilters(self.school_id, self.class_id, self.teacher_id, self.first_day, self.last_day)


@router.post(
    "",
    name="assignCover",
    summary="Assign a cover",
    status_code=HTTPStatus.CREATED,
    responses={HTTPStatus.OK.value: {"model": CoverItem, "description": "It was assigned already"}},
)
async def assign_cover(
    body: AssignCover, covers: CoversService, caller: Manager, key: SentKey, response: Response
) -> CoverItem:
    """On these days the teacher sees and marks the covered class or session like their own."""
    keyed = key.answering(body, _item_of, _status_of)
    assigned = await covers.assign(body.to_cover(), caller, keyed)
    response.status_code = _status_of(assigned)
    return _item_of(assigned)


def _item_of(assigned: AssignedCover) -> CoverItem:
    return CoverItem.of(assigned.row)


def _status_of(assigned: AssignedCover) -> HTTPStatus:
    return HTTPStatus.CREATED if assigned.is_new else HTTPStatus.OK


@router.post("/several", name="assignCovers", summary="Assign several covers")
async def assign_covers(body: AssignCovers, covers: CoversService, caller: Manager, key: SentKey) -> AssignedCovers:
    """As `assignCover`, all of them or none. The pointer of an error begins with `/covers/` and the position.

    Covers that exist already are returned as they are.
    """
    keyed = key.answering(body, _items_of, HTTPStatus.OK)
    return _items_of(await covers.assign_all([each.to_cover() for each in body.covers], caller, keyed))


def _items_of(assigned: Sequence[AssignedCover]) -> AssignedCovers:
    return AssignedCovers(items=[_item_of(each) for each in assigned])


@router.get("", name="listCovers", summary="Covers of classes and sessions")
async def list_covers(query: Annotated[CoverQuery, Query()], covers: CoversService, caller: Manager) -> Page[CoverItem]:
    """The latest first day first."""
    page = await covers.page(caller, query.filters, query.page)
    return page_of_items(page, CoverItem.of)


@router.delete("/{id}", name="endCover", summary="End a cover", status_code=HTTPStatus.NO_CONTENT)
async def end_cover(cover_id: Annotated[PathId, Path(alias="id")], covers: CoversService, caller: Manager) -> None:
    """Ends the cover before the school's today. A cover without earlier days is deleted."""
    await covers.end(cover_id, caller)
