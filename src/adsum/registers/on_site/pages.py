"""`/house`: the students who are on site now, by class and name, for printing in a fire drill."""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from adsum.accounts.access import Permission
from adsum.accounts.visitors import Visitor, visitor_with
from adsum.attendance.statuses.rules import shown_statuses
from adsum.attendance.statuses.service import Statuses
from adsum.platform.http.dependencies import Now, provided
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.registers.on_site.service import OnSite
from adsum.registers.rules import OnSiteStudent, RegisterFilters
from adsum.registers.service import Registers
from adsum.roster.rules import NamedIds
from adsum.roster.service import Naming
from adsum.schools.context import RequestedDay

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Reader = Annotated[Visitor, Depends(visitor_with(Permission.ATTENDANCE_READ, Permission.ROSTER_READ))]


@router.get("/house")
async def on_site_page(
    request: Request,
    on_site: Annotated[OnSite, Depends(provided(OnSite))],
    registers: Annotated[Registers, Depends(provided(Registers))],
    naming: Annotated[Naming, Depends(provided(Naming))],
    statuses: Annotated[Statuses, Depends(provided(Statuses))],
    visitor: Reader,
    of: RequestedDay,
    now: Now,
) -> Response:
    """The students on site now. The page ignores the requested day."""
    caller, school_id = visitor.caller, of.school.id
    students = await on_site.everybody(school_id, caller)
    by_class: defaultdict[int, list[OnSiteStudent]] = defaultdict(list)
    for student in students:
        by_class[student.class_id].append(student)
    names = await naming.names_of(NamedIds(classes=by_class.keys()), caller)
    return site_of(request).page(
        request,
        "on_site.html",
        visitor=visitor,
        of=of,
        now=now,
        total=len(students),
        by_class=sorted(by_class.items(), key=lambda item: (names.classes.get(item[0], "").casefold(), item[0])),
        names=names,
        registers=await registers.count(caller, RegisterFilters(day=of.today, school_id=school_id)),
        statuses=shown_statuses(await statuses.all_of(school_id, caller)),
    )
