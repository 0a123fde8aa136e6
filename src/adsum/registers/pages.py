"""`/today`: the timetable of a day, with the registers to take. The start page of a teacher. `/reminders`: a notice.

The pages of one register, `/take/…`, are in `sheets` and `order`. Both use `Taker` and `RequestedRegister`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.responses import HTMLResponse

from adsum.accounts.access import Permission
from adsum.accounts.visitors import Visitor, visitor_with
from adsum.platform.http.dependencies import provided
from adsum.platform.http.queries import Day
from adsum.platform.http.schemas import PathId
from adsum.platform.ids import Batch
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.registers.page_data import TodayPageData
from adsum.registers.reminders.service import Reminders

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Teacher = Annotated[Visitor, Depends(visitor_with(Permission.ATTENDANCE_CREATE, Permission.ROSTER_READ))]
Taker = Annotated[
    Visitor,
    Depends(visitor_with(Permission.ATTENDANCE_CREATE, Permission.ATTENDANCE_READ, Permission.ROSTER_READ)),
]

RemindersService = Annotated[Reminders, Depends(provided(Reminders))]


async def _register(class_id: PathId, session_id: PathId, day: Annotated[Day, Path()]) -> Batch:
    return Batch(class_id, session_id, day)


RequestedRegister = Annotated[Batch, Depends(_register)]


@router.get("/today")
async def today(
    request: Request,
    page_data: Annotated[TodayPageData, Depends(provided(TodayPageData))],
    reminders: RemindersService,
    visitor: Teacher,
    day: Annotated[Day | None, Query(alias="date")] = None,
    cursor: str | None = None,
) -> HTMLResponse:
    """The timetable of a day; by default today."""
    timetable = await page_data.read(visitor.caller, day, cursor)
    shown = await reminders.shown_to(visitor.caller)
    return site_of(request).page(
        request,
        "today.html",
        visitor=visitor,
        lessons=timetable.lessons,
        day=timetable.day,
        is_today=timetable.is_today,
        before=timetable.day - timedelta(1),
        after=timetable.day + timedelta(1),
        next_cursor=timetable.next_cursor,
        schools=timetable.schools,
        reminders=shown,
    )


@router.get("/reminders")
async def show_reminders(
    request: Request,
    reminders: RemindersService,
    visitor: Teacher,
    open_page: Annotated[str, Header(alias="HX-Current-URL", max_length=2_000)] = "",
) -> HTMLResponse:
    """The notice of missing registers that open pages refresh. The page of a register leaves out that register."""
    shown = await reminders.shown_to(visitor.caller, urlsplit(open_page).path)
    return site_of(request).page(request, "reminders.html", reminders=shown)
