"""`GET /classes` and `GET /classes/{id}/roster`: what there is to be marked, and who is in it on a day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import each_named_once, require
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.queries import Day, PageQuery, SourcedId, WholeQuery, Words
from adsum.platform.http.schemas import Page, PathId, Schema
from adsum.roster.classes import ClassRow
from adsum.roster.enrolments import RosterStudent
from adsum.roster.filters import ClassFilters
from adsum.roster.service import Roster

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


class RosterQuery(WholeQuery):
    """Of which day the roster is."""

    day: Annotated[Day | None, Field(alias="date", description="Without it, the school's today")] = None
    session_id: Annotated[PathId | None, Field(description="With it, what is known beforehand of that session")] = None


class RosterItem(Schema):
    """A student who is enrolled that day."""

    student_id: int
    sourced_id: str | None
    given_name: str
    family_name: str
    grade: str | None
    known_status: Annotated[
        str | None, Field(description="What a register of that session will say, by an absence known beforehand")
    ] = None

    @classmethod
    def of(cls, student: RosterStudent, known_status: str | None) -> RosterItem:
        return cls(
            known_status=known_status,
            student_id=student.student_id,
            sourced_id=student.source_id,
            given_name=student.given_name,
            family_name=student.family_name,
            grade=student.grade,
        )


class RosterAnswer(Schema):
    """A roster, by family name and given name. `rosterVersion` may be sent back with create-batch."""

    class_id: int
    day: Annotated[date, Field(alias="date")]
    roster_version: str
    items: Sequence[RosterItem]

    @classmethod
    def of(cls, roster: Roster) -> RosterAnswer:
        return cls(
            class_id=roster.of.id,
            day=roster.day,
            roster_version=roster.version,
            items=[RosterItem.of(student, roster.known.get(student.student_id)) for student in roster.students],
        )


@router.get("/classes", name="listClasses", summary="Classes")
async def list_classes(query: Annotated[ClassQuery, Query()], adsum: OpenAdsum, caller: Reader) -> Page[ClassItem]:
    """The classes that you see, by id. A teacher sees those that they teach today."""
    page = await adsum.directory.classes(caller, query.filters, query.page)
    return Page(items=[ClassItem.of(row) for row in page.items], next_cursor=page.next_cursor)


@router.get("/classes/{classId}/roster", name="readRoster", summary="The roster of a class on a day")
async def read_roster(
    class_id: Annotated[PathId, Path(alias="classId")],
    query: Annotated[RosterQuery, Query()],
    adsum: OpenAdsum,
    caller: Reader,
) -> RosterAnswer:
    """Everybody who is enrolled that day: `endDate` of an enrolment is the first day without the student."""
    return RosterAnswer.of(await adsum.directory.roster(caller, class_id, query.day, query.session_id))
