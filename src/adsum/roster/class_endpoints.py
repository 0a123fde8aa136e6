"""`GET /classes`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import each_named_once, require
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.queries import PageQuery, SourcedId, Words
from adsum.platform.http.schemas import Page, PathId, Schema
from adsum.roster.rules import ClassFilters, ClassRow

router = APIRouter(tags=["rosters"], dependencies=[Depends(each_named_once)])
Reader = Annotated[Caller, Depends(require(Permission.ROSTER_READ))]


class ClassQuery(PageQuery):
    """Filters of the list of classes."""

    school_id: PathId | None = None
    q: Annotated[Words | None, Field(description="Words in the title, the code or the sourced id")] = None
    sourced_id: SourcedId | None = None
    active: Annotated[bool | None, Field(description="Whether the newest roster file still has it")] = None

    @property
    def filters(self) -> ClassFilters:
        return ClassFilters(self.school_id, self.q, self.sourced_id, self.active)


class ClassItem(Schema):
    """A class. `sourcedId` is its id in the roster file."""

    id: int
    school_id: int
    sourced_id: str | None
    title: str
    code: str | None
    active: bool

    @classmethod
    def of(cls, row: ClassRow) -> ClassItem:
        return cls(
            id=row.id,
            school_id=row.school_id,
            sourced_id=row.source_id,
            title=row.title,
            code=row.code,
            active=row.active,
        )


@router.get("/classes", name="listClasses", summary="Classes")
async def list_classes(query: Annotated[ClassQuery, Query()], adsum: OpenAdsum, caller: Reader) -> Page[ClassItem]:
    """The classes that you see, by id. A teacher sees those that they teach today."""
    page = await adsum.directory.classes(caller, query.filters, query.page)
    return Page(items=[ClassItem.of(row) for row in page.items], next_cursor=page.next_cursor)
