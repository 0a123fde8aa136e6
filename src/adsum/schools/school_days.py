"""Of which school and day a page is: what its address says, or else the visitor's first school, and its today."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated

from fastapi import Depends, Query

from adsum import wiring
from adsum.accounts.visitors import Visitor, signed_in
from adsum.platform.clock import system_clock
from adsum.platform.days import today_in
from adsum.platform.errors import NotFound
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.queries import Day
from adsum.platform.http.schemas import PathId
from adsum.platform.paging import MAX_LIMIT, PageRequest
from adsum.schools.repository import SchoolRow


@dataclass(frozen=True, slots=True)
class SchoolDay:
    """A day of a school. `schools`: all that the visitor sees."""

    schools: Sequence[SchoolRow]
    school: SchoolRow
    day: date
    today: date

    @property
    def is_today(self) -> bool:
        return self.day == self.today

    @property
    def before(self) -> date:
        return self.day - timedelta(days=1)

    @property
    def after(self) -> date:
        return self.day + timedelta(days=1)

    def address(self, path: str, day: date | None = None, **more: str | int) -> str:
        """A page of this school and day, or of another day."""
        query = {"school": self.school.id, "date": (day or self.day).isoformat()} | more
        return f"{path}?{'&'.join(f'{name}={value}' for name, value in query.items())}"


async def _asked_for(
    adsum: OpenAdsum,
    visitor: Annotated[Visitor, Depends(signed_in)],
    school_id: Annotated[PathId | None, Query(alias="school")] = None,
    day: Annotated[Day | None, Query(alias="date")] = None,
) -> SchoolDay:
    """Raises NotFound for a school that the visitor does not see, and where there is none at all."""
    return await school_day(adsum, visitor, school_id, day)


async def school_day(adsum: wiring.Adsum, visitor: Visitor, school_id: int | None, day: date | None) -> SchoolDay:
    """The same, for who knows which. Raises NotFound, and Forbidden without `roster:read`."""
    schools = (await adsum.schools.page(visitor.caller, PageRequest(limit=MAX_LIMIT))).items
    if school_id is not None:
        school = await adsum.schools.find(school_id, visitor.caller)
    elif schools:
        school = schools[0]
    else:
        raise NotFound("there is no school yet: import a roster")
    today = today_in(school.time_zone, system_clock())
    return SchoolDay(schools, school, day or today, today)


AskedDay = Annotated[SchoolDay, Depends(_asked_for)]
"""What `?school=` and `?date=` say."""
