"""`/house`: who is in the house now, by class and name; to be printed when the bell rings."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from adsum.accounts.access import Permission
from adsum.accounts.visitors import Visitor, visitor_with
from adsum.attendance.statuses.rules import shown_statuses
from adsum.platform.clock import system_clock
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.registers.on_site.repository import InTheHouse
from adsum.registers.rules import RegisterFilters
from adsum.roster.rules import NamedIds
from adsum.schools.context import RequestedDay

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, Depends(visitor_with(Permission.ATTENDANCE_READ, Permission.ROSTER_READ))]


@router.get("/house")
async def house(request: Request, adsum: OpenAdsum, visitor: Reader, of: RequestedDay) -> Response:
    """It is of now: another day than today is not looked at."""
    caller = visitor.caller
    now = system_clock()
    there = await adsum.on_site.everybody(of.school.id, caller)
    by_class: defaultdict[int, list[InTheHouse]] = defaultdict(list)
    for each in there:
        by_class[each.class_id].append(each)
    names = await adsum.naming.names_of(NamedIds(classes=by_class.keys()), caller)
    registers = await adsum.registers.count(caller, RegisterFilters(day=of.today, school_id=of.school.id))
    return site_of(request).page(
        request,
        "house.html",
        visitor=visitor,
        of=of,
        now=now,
        total=len(there),
        by_class=sorted(by_class.items(), key=lambda item: (names.classes.get(item[0], "").casefold(), item[0])),
        names=names,
        registers=registers,
        statuses=shown_statuses(await adsum.statuses.all_of(of.school.id, caller)),
    )
