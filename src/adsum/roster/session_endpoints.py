"""`GET /sessions`: the periods in which classes meet."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import each_named_once, require
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.queries import PageQuery
from adsum.platform.http.schemas import Page, PathId, Schema
from adsum.roster.rules import SessionFilters, SessionRow

router = APIRouter(tags=["rosters"], dependencies=[Depends(each_named_once)])


class SessionQuery(PageQuery):
    """Filters of the list of sessions."""

    class_id: PathId | None = None

    @property
    def filters(self) -> SessionFilters:
        return SessionFilters(self.class_id)


class SessionItem(Schema):
    """A session of a class. `period` is empty where the roster file names none."""

    id: int
    class_id: int
    period: str
    title: str
    active: bool

    @classmethod
    def of(cls, row: SessionRow) -> SessionItem:
        return cls(id=row.id, class_id=row.class_id, period=row.period, title=row.title, active=row.active)


@router.get("/sessions", name="listSessions", summary="Sessions")
async def list_sessions(
    query: Annotated[SessionQuery, Query()],
    adsum: OpenAdsum,
    caller: Annotated[Caller, Depends(require(Permission.ROSTER_READ))],
) -> Page[SessionItem]:
    """The sessions of the classes that you see, by id. A teacher sees those of classes that they teach today."""
    page = await adsum.directory.sessions(caller, query.filters, query.page)
    return Page(items=[SessionItem.of(row) for row in page.items], next_cursor=page.next_cursor)
