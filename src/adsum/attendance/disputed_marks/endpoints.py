"""`/contradictions`: what was said in class of students whose mark the office has set."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import each_named_once, require
from adsum.attendance.disputed_marks.service import Holds
from adsum.attendance.endpoints import RecordItem
from adsum.attendance.filters import ContradictionFilters
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.queries import Day, PageQuery
from adsum.platform.http.schemas import Moment, Page, PathId, PlainText, Schema
from adsum.platform.texts import MAX_REASON

router = APIRouter(prefix="/contradictions", tags=["contradictions"], dependencies=[Depends(each_named_once)])


class ContradictionQuery(PageQuery):
    """Filters of the list; days are inclusive."""

    school_id: PathId | None = None
    class_id: PathId | None = None
    student_id: PathId | None = None
    first_day: Annotated[Day | None, Field(alias="from")] = None
    last_day: Annotated[Day | None, Field(alias="to")] = None

    @property
    def filters(self) -> ContradictionFilters:
        return ContradictionFilters(self.school_id, self.class_id, self.student_id, self.first_day, self.last_day)


class ContradictionItem(Schema):
    """What is recorded, which the office has set, and beside it what was said in class, when and by whom."""

    id: int
    class_id: int
    session_id: int
    learning_date: date
    student_id: int
    attendance_id: int
    version: Annotated[int, Field(description="of the record")]
    recorded: str
    recorded_note: str | None
    said: str
    said_note: str | None
    said_at: Moment
    said_by_role: Annotated[str, Field(validation_alias="said_role")]
    said_by_user_id: Annotated[int | None, Field(validation_alias="user_id")]
    said_by_key_id: Annotated[int | None, Field(validation_alias="key_id", description="of an API key")]


class Settle(Schema):
    """Which of the two holds."""

    holds: Holds
    reason: Annotated[PlainText, Field(max_length=MAX_REASON, description="Why, for the history")] | None = None


@router.get("", name="listContradictions", summary="What was said against the office's marks")
async def list_contradictions(
    query: Annotated[ContradictionQuery, Query()],
    adsum: OpenAdsum,
    caller: Annotated[Caller, Depends(require(Permission.ATTENDANCE_READ))],
) -> Page[ContradictionItem]:
    """Those that stand, the newest day first; a teacher sees those of the days on which they taught the class."""
    page = await adsum.contradictions.page(caller, query.filters, query.page)
    items = [ContradictionItem.model_validate(row) for row in page.items]
    return Page(items=items, next_cursor=page.next_cursor)


@router.post("/{id}/settle", name="settleContradiction", summary="Say which of the two holds")
async def settle_contradiction(
    contradiction_id: Annotated[PathId, Path(alias="id")],
    body: Settle,
    adsum: OpenAdsum,
    caller: Annotated[Caller, Depends(require(Permission.ATTENDANCE_OVERRULE))],
) -> RecordItem:
    """The record as it then stands. 404 where it is settled already."""
    seen = await adsum.contradictions.settle(contradiction_id, body.holds, body.reason, caller)
    return RecordItem.of(seen.record)
