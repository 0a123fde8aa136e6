"""`GET /registers` and `GET /registers/missing`: which classes were marked on a day, and which were not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import each_named_once, require
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.queries import Day, PageQuery
from adsum.platform.http.schemas import Page, PathId, Schema
from adsum.registers.filters import RegisterFilters
from adsum.registers.rules import RegisterState
from adsum.wiring import Adsum

router = APIRouter(prefix="/registers", tags=["registers"], dependencies=[Depends(each_named_once)])
Reader = Annotated[Caller, Depends(require(Permission.ATTENDANCE_READ))]


class RegisterQuery(PageQuery):
    """Filters of the list of registers."""

    day: Annotated[Day | None, Field(alias="date", description="Without it, the school's today")] = None
    school_id: PathId | None = None
    class_id: PathId | None = None
    teacher_id: Annotated[PathId | None, Field(description="Our id of a user who teaches the class that day")] = None

    def filters(self, *, missing_only: bool) -> RegisterFilters:
        return RegisterFilters(self.day, self.school_id, self.class_id, self.teacher_id, missing_only)


class TeacherItem(Schema):
    """Who teaches the class on that day."""

    user_id: int
    name: str


class RegisterItem(Schema):
    """The register of a class, a session and a day: `marked` of `expected` students have a mark."""

    class_id: int
    class_name: str
    session_id: int
    session_title: str
    learning_date: date
    teachers: Sequence[TeacherItem]
    state: RegisterState
    marked: int
    expected: int
    missing_student_ids: Annotated[Sequence[int] | None, Field(description="null without roster:read")]
    is_processing: Annotated[bool, Field(description="Whether a run of it is open")]


@router.get("", name="listRegisters", summary="Registers of a day")
async def list_registers(
    query: Annotated[RegisterQuery, Query()], adsum: OpenAdsum, caller: Reader
) -> Page[RegisterItem]:
    """What is due on that day, by class and session, whether it is taken or not."""
    return await _page(query, adsum, caller, missing_only=False)


@router.get("/missing", name="listMissingRegisters", summary="Registers that were not taken")
async def list_missing(
    query: Annotated[RegisterQuery, Query()], adsum: OpenAdsum, caller: Reader
) -> Page[RegisterItem]:
    """What is due on that day and is not taken, or only in part. A teacher sees those of their classes."""
    return await _page(query, adsum, caller, missing_only=True)


async def _page(query: RegisterQuery, adsum: Adsum, caller: Caller, *, missing_only: bool) -> Page[RegisterItem]:
    page = await adsum.registers.page(caller, query.filters(missing_only=missing_only), query.page)
    return Page(items=[RegisterItem.model_validate(each) for each in page.items], next_cursor=page.next_cursor)
