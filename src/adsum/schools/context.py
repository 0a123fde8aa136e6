"""Which school an admin page is about: the one that its address names, or else the first that the visitor sees."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated

from fastapi import Depends, Query

from adsum.accounts.access import Caller, Permission
from adsum.accounts.visitors import Visitor, visitor_with
from adsum.platform.clock import system_clock as now
from adsum.platform.days import today_in
from adsum.platform.errors import NotFound
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.schemas import PathId
from adsum.platform.paging import PageRequest
from adsum.schools.repository import SchoolRow

Manager = Annotated[Visitor, Depends(visitor_with(Permission.SCHOOL_MANAGE))]


@dataclass(frozen=True, slots=True)
class Desk:
    """A visitor who manages a school. `today`: the school's."""

    visitor: Visitor
    school: SchoolRow
    today: date

    @property
    def caller(self) -> Caller:
        return self.visitor.caller

    def at(self, path: str) -> str:
        """The address of a page of this school."""
        return f"/admin/{path}?school={self.school.id}"


async def _desk(visitor: Manager, adsum: OpenAdsum, school: Annotated[PathId | None, Query()] = None) -> Desk:
    if school is not None:
        found = await adsum.schools.find(school, visitor.caller)
    else:
        seen = (await adsum.schools.page(visitor.caller, PageRequest(limit=1))).items
        if not seen:
            raise NotFound("there is no school yet: import a roster")
        found = seen[0]
    return Desk(visitor, found, today_in(found.time_zone, now()))


AtDesk = Annotated[Desk, Depends(_desk)]
"""The school of this page, and who manages it."""
