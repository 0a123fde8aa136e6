"""`GET /students`: who there is."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import each_named_once, require
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.queries import Day, PageQuery, SourcedId, Words
from adsum.platform.http.schemas import Page, PathId, Schema
from adsum.roster.rules import StudentFilters, StudentRow

router = APIRouter(tags=["rosters"], dependencies=[Depends(each_named_once)])


class StudentQuery(PageQuery):
    """Filters of the list of students."""

    q: Annotated[Words | None, Field(description="Words in the names or the sourced id")] = None
    sourced_id: SourcedId | None = None
    class_id: Annotated[PathId | None, Field(description="Enrolled in this class")] = None
    day: Annotated[
        Day | None, Field(alias="date", description="Enrolled on this day; with `classId`, without it: today")
    ] = None

    @property
    def filters(self) -> StudentFilters:
        return StudentFilters(self.q, self.sourced_id, self.class_id, self.day)


class StudentItem(Schema):
    """A student. `sourcedId` is their id in the roster file, `active` whether the newest one still has them."""

    id: int
    school_id: int
    sourced_id: str | None
    given_name: str
    family_name: str
    grade: str | None
    active: bool

    @classmethod
    def of(cls, row: StudentRow) -> StudentItem:
        return cls(
            id=row.id,
            school_id=row.school_id,
            sourced_id=row.source_id,
            given_name=row.given_name,
            family_name=row.family_name,
            grade=row.grade,
            active=row.active,
        )


@router.get("/students", name="listStudents", summary="Students")
async def list_students(
    query: Annotated[StudentQuery, Query()],
    adsum: OpenAdsum,
    caller: Annotated[Caller, Depends(require(Permission.ROSTER_READ))],
) -> Page[StudentItem]:
    """The students whom you see, by id. A teacher sees those of the classes that they teach on `date`, or today."""
    page = await adsum.directory.students(caller, query.filters, query.page)
    return Page(items=[StudentItem.of(row) for row in page.items], next_cursor=page.next_cursor)
