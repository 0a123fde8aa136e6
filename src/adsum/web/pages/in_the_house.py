"""`/house`: who is in the house now, by class and name; to be printed when the bell rings."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from adsum import wiring
from adsum.domain.access import Permission
from adsum.domain.filters import RegisterFilters
from adsum.storage.in_the_house import InTheHouse
from adsum.storage.names import NamedIds
from adsum.web.dependencies import OpenAdsum
from adsum.web.pages.marks import shown_statuses
from adsum.web.pages.rendering import site_of
from adsum.web.pages.routing import PageRoute
from adsum.web.pages.school_days import AskedDay
from adsum.web.pages.visitors import Visitor, visitor_with

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, Depends(visitor_with(Permission.ATTENDANCE_READ, Permission.ROSTER_READ))]


@router.get("/house")
async def house(request: Request, adsum: OpenAdsum, visitor: Reader, of: AskedDay) -> Response:
    """It is of now: another day than today is not looked at."""
    caller = visitor.caller
    now = wiring.now()
    there = await adsum.house.everybody(of.school.id, caller)
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
