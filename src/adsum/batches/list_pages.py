"""`/batches`: what runs now, how it goes, and all batches that the visitor sees."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response

from adsum.accounts.access import Caller, Permission
from adsum.accounts.visitors import Visitor, visitor_with
from adsum.batches.rules import BatchFilters, BatchState, ListedBatch
from adsum.platform.days import WrongDay, day_near
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.ids import MAX_ID
from adsum.platform.pages.charts import bar_chart
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.platform.paging import PageRequest
from adsum.roster.rules import SessionTitles
from adsum.wiring import Adsum

router = APIRouter(include_in_schema=False, route_class=PageRoute)

Watcher = Annotated[Visitor, Depends(visitor_with(Permission.BATCH_READ))]
ROWS = 25
RUNNING = 10
FAILED = 5
MISSING = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """The filters as they were typed."""

    state: str = ""
    class_id: str = ""
    first: str = ""
    last: str = ""

    def query(self, **more: str) -> str:
        """The part of an address that asks for the same."""
        typed = {"state": self.state, "classId": self.class_id, "from": self.first, "to": self.last, **more}
        return urlencode({name: value for name, value in typed.items() if value})

    @property
    def wrong(self) -> frozenset[str]:
        """The names of what cannot be read."""
        readable = {
            "state": self.state in {"", *BatchState},
            "classId": not self.class_id or _number(self.class_id) is not None,
            "from": not self.first or _day(self.first) is not None,
            "to": not self.last or _day(self.last) is not None,
        }
        return frozenset(name for name, is_readable in readable.items() if not is_readable)

    @property
    def filters(self) -> BatchFilters:
        """To be asked for only where nothing is wrong."""
        state = BatchState(self.state) if self.state else None
        return BatchFilters(
            class_id=_number(self.class_id), first_day=_day(self.first), last_day=_day(self.last), state=state
        )


async def _asked(
    state: str = "",
    class_id: Annotated[str, Query(alias="classId")] = "",
    first: Annotated[str, Query(alias="from")] = "",
    last: Annotated[str, Query(alias="to")] = "",
) -> Asked:
    return Asked(state.strip(), class_id.strip(), first.strip(), last.strip())


@router.get("/batches")
async def batches_page(
    request: Request,
    adsum: OpenAdsum,
    visitor: Watcher,
    asked: Annotated[Asked, Depends(_asked)],
    cursor: Annotated[str | None, Query()] = None,
) -> Response:
    """The whole page."""
    caller = visitor.caller
    shown = await _now(adsum, caller)
    page = None if asked.wrong else await adsum.batches.page(caller, asked.filters, PageRequest(cursor, ROWS))
    return site_of(request).page(
        request,
        "batches.html",
        visitor=visitor,
        asked=asked,
        is_continued=cursor is not None,
        page=page,
        page_titles=await _titles(adsum, caller, page.items if page is not None else ()),
        missing=await _missing(adsum, caller),
        **shown,
    )


@router.get("/batches/now")
async def batches_now(request: Request, adsum: OpenAdsum, visitor: Watcher) -> Response:
    """The part that is asked for again and again."""
    return site_of(request).page(request, "batches_now.html", visitor=visitor, **await _now(adsum, visitor.caller))


async def _now(adsum: Adsum, caller: Caller) -> dict[str, Any]:
    activity, queue = await asyncio.gather(adsum.activity.now(caller), adsum.activity.queue(caller))
    running = await adsum.batches.page(caller, BatchFilters(state=BatchState.PROCESSING), PageRequest(limit=RUNNING))
    failed = await adsum.batches.page(
        caller, BatchFilters(state=BatchState.COMPLETED_WITH_ERRORS), PageRequest(limit=FAILED)
    )
    minutes = activity.minutes
    return {
        "activity": activity,
        "queue": queue,
        "running": running,
        "failed": failed,
        "reasons": await adsum.timeline.failures(caller, [each.status for each in failed.items]),
        "titles": await _titles(adsum, caller, [*running.items, *failed.items]),
        "throughput": bar_chart([each.recorded for each in minutes], [each.failed for each in minutes]),
        "depth": bar_chart([each.open for each in minutes]),
    }


async def _titles(adsum: Adsum, caller: Caller, rows: Iterable[ListedBatch]) -> dict[int, SessionTitles]:
    """Of who may not read rosters, and sees ids, nothing."""
    session_ids = {each.batch.session_id for each in rows}
    if not session_ids or not caller.may(Permission.ROSTER_READ):
        return {}
    return await adsum.directory.titles(caller, session_ids)


async def _missing(adsum: Adsum, caller: Caller) -> Any:
    """The first registers that nobody took today; None: the visitor may not know."""
    if not caller.may(Permission.ATTENDANCE_READ):
        return None
    return await adsum.registers.missing_today(caller, MISSING)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and 0 < int(text[:20]) <= MAX_ID else None


def _day(text: str) -> date | None:
    try:
        return day_near(text)
    except WrongDay:
        return None
