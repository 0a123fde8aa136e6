"""`/house`: the students who are unknown or on site now, by class and name, for printing in a fire drill."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Request, Response

from adsum.accounts.access import Permission
from adsum.accounts.visitors import Visitor, visitor_with
from adsum.attendance.statuses.rules import shown_statuses
from adsum.attendance.statuses.service import Statuses
from adsum.platform.http.dependencies import Now, provided
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.platform.texts import list_key
from adsum.registers.on_site.service import OnSite
from adsum.registers.rules import OnSiteStudent, UnknownStudent
from adsum.schools.context import RequestedDay

router = APIRouter(include_in_schema=False, route_class=PageRoute)
Listed = TypeVar("Listed", OnSiteStudent, UnknownStudent)
Reader = Annotated[Visitor, Depends(visitor_with(Permission.ATTENDANCE_READ, Permission.ROSTER_READ))]


@router.get("/house")
async def on_site_page(
    request: Request,
    on_site: Annotated[OnSite, Depends(provided(OnSite))],
    statuses: Annotated[Statuses, Depends(provided(Statuses))],
    visitor: Reader,
    of: RequestedDay,
    now: Now,
) -> Response:
    """The students who are unknown, and those on site now. The page ignores the requested day."""
    everybody = await on_site.everybody(of.school.id, visitor.caller)
    return site_of(request).page(
        request,
        "on_site.html",
        visitor=visitor,
        of=of,
        now=now,
        everybody=everybody,
        unknown=_by_class(everybody.unknown),
        on_site=_by_class(everybody.on_site),
        statuses=shown_statuses(await statuses.all_of(of.school.id, visitor.caller)),
    )


def _by_class(students: Sequence[Listed]) -> list[Sequence[Listed]]:
    """The students of each class, by its title."""
    found: defaultdict[int, list[Listed]] = defaultdict(list)
    for student in students:
        found[student.class_id].append(student)
    return sorted(found.values(), key=lambda group: (list_key(group[0].class_title), group[0].class_id))
