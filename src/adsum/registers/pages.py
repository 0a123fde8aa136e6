"""`/today`: the registers of a day for who takes them. A teacher's start page."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from adsum.accounts.access import Permission
from adsum.accounts.visitors import Visitor, visitor_with
from adsum.platform.clock import system_clock
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.queries import Day
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.platform.paging import MAX_LIMIT, PageRequest
from adsum.registers.lessons import LocalMoment, arranged
from adsum.registers.rules import RegisterFilters
from adsum.schools.rules import School

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Taker = Annotated[Visitor, Depends(visitor_with(Permission.ATTENDANCE_CREATE, Permission.ROSTER_READ))]


@router.get("/today")
async def today(
    request: Request,
    adsum: OpenAdsum,
    visitor: Taker,
    day: Annotated[Day | None, Query(alias="date")] = None,
    cursor: str | None = None,
) -> HTMLResponse:
    """Without a date it is of today."""
    schools = {each.id: each for each in (await adsum.schools.page(visitor.caller, PageRequest())).items}
    now = {each.id: _now_at(each, system_clock()) for each in schools.values()}
    filters = RegisterFilters(day=day, missing_only=False, with_upcoming=True)
    page = await adsum.registers.page(visitor.caller, filters, PageRequest(cursor, MAX_LIMIT))
    concerned = {each.school_id for each in page.items}
    statuses = {school_id: await adsum.statuses.all_of(school_id, visitor.caller) for school_id in concerned}
    lessons = arranged(page.items, statuses, now)
    shown = day or (lessons[0].register.learning_date if lessons else _first_day(now))
    return site_of(request).page(
        request,
        "today.html",
        visitor=visitor,
        lessons=lessons,
        day=shown,
        is_today=any(moment.day == shown for moment in now.values()),
        before=shown - timedelta(1),
        after=shown + timedelta(1),
        next_cursor=page.next_cursor,
    )


def _now_at(school: School, now: datetime) -> LocalMoment:
    local = now.astimezone(ZoneInfo(school.time_zone))
    return LocalMoment(local.date(), f"{local:%H:%M}")


def _first_day(now: dict[int, LocalMoment]) -> date:
    return min((moment.day for moment in now.values()), default=system_clock().date())
