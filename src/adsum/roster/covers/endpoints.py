"""`/covers`: who stands in for a teacher, in a class or in one session of it."""

from __future__ import annotations

from datetime import date
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import Field

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import each_named_once, require
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.queries import Day, PageQuery
from adsum.platform.http.schemas import Id, Moment, Page, PathId, Schema
from adsum.roster.covers.repository import CoverRow
from adsum.roster.covers.rules import Cover, CoverFilters

router = APIRouter(prefix="/covers", tags=["schools"], dependencies=[Depends(each_named_once)])
Manager = Annotated[Caller, Depends(require(Permission.SCHOOL_MANAGE))]


class CoverQuery(PageQuery):
    """Filters of the list; of the days those that a cover touches."""

    school_id: PathId | None = None
    class_id: PathId | None = None
    teacher_id: Annotated[PathId | None, Field(description="Our id of the user who stands in")] = None
    first_day: Annotated[Day | None, Field(alias="from")] = None
    last_day: Annotated[Day | None, Field(alias="to")] = None

    @property
    def filters(self) -> CoverFilters:
        return CoverFilters(self.school_id, self.class_id, self.teacher_id, self.first_day, self.last_day)


class AssignCover(Schema):
    """A teacher of the class's school stands in, on these days."""

    class_id: Id
    session_id: Annotated[Id | None, Field(description="This session alone; else all of the class")] = None
    teacher_id: Annotated[Id, Field(description="Our id of the user who stands in")]
    first_day: Annotated[Day, Field(alias="from")]
    last_day: Annotated[Day, Field(alias="to", description="Inclusive")]

    def to_cover(self) -> Cover:
        return Cover(self.class_id, self.session_id, self.teacher_id, self.first_day, self.last_day)


class CoverItem(Schema):
    """A cover, and who assigned it."""

    id: int
    class_id: int
    session_id: Annotated[int | None, Field(description="null: all of the class")]
    teacher_id: int
    first_day: Annotated[date, Field(alias="from")]
    last_day: Annotated[date, Field(alias="to")]
    created_at: Moment
    created_by_role: str
    created_by_user_id: int | None
    created_by_key_id: Annotated[int | None, Field(description="of an API key")]

    @classmethod
    def of(cls, row: CoverRow) -> CoverItem:
        return cls(
            id=row.id,
            class_id=row.cover.class_id,
            session_id=row.cover.session_id,
            teacher_id=row.cover.teacher_id,
            first_day=row.cover.first_day,
            last_day=row.cover.last_day,
            created_at=row.created_at,
            created_by_role=row.created_role,
            created_by_user_id=row.created_user_id,
            created_by_key_id=row.created_key_id,
        )


@router.post(
    "",
    name="assignCover",
    summary="Let a teacher stand in for another",
    status_code=HTTPStatus.CREATED,
    responses={HTTPStatus.OK.value: {"model": CoverItem, "description": "It was assigned already"}},
)
async def assign_cover(body: AssignCover, adsum: OpenAdsum, caller: Manager, response: Response) -> CoverItem:
    """On these days the teacher sees and marks what they cover as if it were their own: of a session no other one."""
    assigned = await adsum.covers.assign(body.to_cover(), caller)
    if not assigned.is_new:
        response.status_code = HTTPStatus.OK
    return CoverItem.of(assigned.row)


@router.get("", name="listCovers", summary="Who stands in for whom")
async def list_covers(query: Annotated[CoverQuery, Query()], adsum: OpenAdsum, caller: Manager) -> Page[CoverItem]:
    """Those that begin last first."""
    page = await adsum.covers.page(caller, query.filters, query.page)
    return Page(items=[CoverItem.of(row) for row in page.items], next_cursor=page.next_cursor)


@router.delete("/{id}", name="endCover", summary="End a cover", status_code=HTTPStatus.NO_CONTENT)
async def end_cover(cover_id: Annotated[PathId, Path(alias="id")], adsum: OpenAdsum, caller: Manager) -> None:
    """From the school's today on it holds no more; its days before stay. One that has none is gone."""
    await adsum.covers.end(cover_id, caller)
