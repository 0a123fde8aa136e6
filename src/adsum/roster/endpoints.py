"""`GET /classes`, `GET /sessions` and `GET /students`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import require
from adsum.platform.errors import NotFound
from adsum.platform.http.dependencies import provided
from adsum.platform.http.documented_errors import raises
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.queries import Day, PageQuery, SentInBody, SourcedId, Words
from adsum.platform.http.schemas import Page, PathId, page_of_items
from adsum.roster.rules import ClassFilters, SessionFilters, StudentFilters
from adsum.roster.schemas import ClassItem, SessionItem, StudentItem
from adsum.roster.service import Directory

router = APIRouter(tags=["roster"], route_class=JsonRoute)
Reader = Annotated[Caller, Depends(require(Permission.ROSTER_READ))]
DirectoryService = Annotated[Directory, Depends(provided(Directory))]


class ClassQuery(PageQuery):
    """Filters of the list of classes."""

    school_id: PathId | None = None
    q: Annotated[
        Words | None,
        Field(description="Words of the title, code or sourced id, however accented."),
    ] = None
    sourced_id: SourcedId | None = None
    active: Annotated[bool | None, Field(description="Whether the newest roster file contains it.")] = None
    student_id: Annotated[PathId | None, Field(description="In which this student is enrolled today.")] = None

    @property
    def filters(self) -> ClassFilters:
        return ClassFilters(self.school_id, self.q, self.sourced_id, self.active, self.student_id)


class SessionQuery(PageQuery):
    """Filters of the list of sessions."""

    school_id: PathId | None = None
    class_id: PathId | None = None
    day: Annotated[Day | None, Field(alias="date", description="Valid on this day.")] = None

    @property
    def filters(self) -> SessionFilters:
        return SessionFilters(self.class_id, self.school_id, self.day)


class StudentQuery(PageQuery):
    """Filters of the list of students."""

    school_id: PathId | None = None
    q: Annotated[Words | None, Field(description="Words of the names or the sourced id, however accented.")] = None
    sourced_id: SourcedId | None = None
    class_id: Annotated[PathId | None, Field(description="Enrolled in this class.")] = None
    day: Annotated[
        Day | None, Field(alias="date", description="Enrolled on this day; default with `classId`: today.")
    ] = None

    @property
    def filters(self) -> StudentFilters:
        return StudentFilters(self.q, self.sourced_id, self.class_id, self.day, self.school_id)


class StudentSearch(SentInBody, StudentQuery):
    """Filters of a search for students."""


@router.get("/classes", name="listClasses", summary="Classes")
async def list_classes(
    query: Annotated[ClassQuery, Query()], directory: DirectoryService, caller: Reader
) -> Page[ClassItem]:
    """The classes that you see, by id. A teacher sees those that they teach today."""
    page = await directory.classes(caller, query.filters, query.page)
    return page_of_items(page, ClassItem.of)


@router.get("/sessions", name="listSessions", summary="Sessions")
async def list_sessions(
    query: Annotated[SessionQuery, Query()], directory: DirectoryService, caller: Reader
) -> Page[SessionItem]:
    """The sessions of the classes that you see, by id. A teacher sees those of classes that they teach today."""
    page = await directory.sessions(caller, query.filters, query.page)
    return page_of_items(page, SessionItem.of)


@router.get("/students", name="listStudents", summary="Students")
async def list_students(
    query: Annotated[StudentQuery, Query()], directory: DirectoryService, caller: Reader
) -> Page[StudentItem]:
    """The students whom you see, by id. A teacher sees those of the classes that they teach on `date`, or today."""
    page = await directory.students(caller, query.filters, query.page)
    return page_of_items(page, StudentItem.of)


@router.post(
    "/students/search",
    name="searchStudents",
    summary="Students, with filters in the body",
    responses=raises(NotFound),
)
async def search_students(query: StudentSearch, directory: DirectoryService, caller: Reader) -> Page[StudentItem]:
    """As `GET /students`, without names in the address, which proxies write into logs."""
    return await list_students(query, directory, caller)
