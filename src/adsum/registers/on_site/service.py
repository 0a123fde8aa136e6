"""Who is in the house now, as far as today's registers know."""

from __future__ import annotations

from datetime import date

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.attendance.statuses.repository import find_statuses
from adsum.attendance.statuses.rules import CountsAs, SchoolStatuses, StatusFlag
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.paging import Page, PageRequest, begin_of, by_number, page_of
from adsum.registers.on_site.repository import InTheHouse, how_many_are_there, who_is_there
from adsum.roster.rules import name_order
from adsum.schools.repository import edit_window_of
from adsum.schools.service import require_school

# With these somebody is attended to, and not there.
_ELSEWHERE = frozenset({StatusFlag.OFF_SITE, StatusFlag.LEFT_EARLY})


class OnSite:
    """Lists who is there. `now` is the clock."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def page(self, school_id: int, caller: Caller, page: PageRequest) -> Page[InTheHouse]:
        """Students by id whose newest mark of the school's today says that they are there; a teacher's own classes.

        Raises:
            Forbidden: without `attendance:read` and `roster:read`, since it is names that are told.
            NotFound: there is no such school, or the caller does not see it.
            Invalid: the cursor is of another query, or none.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        require_permission(caller, Permission.ROSTER_READ)
        query = ("house", school_id)
        after = begin_of(page, query, by_number) or 0
        async with self._database.snapshot() as connection:
            of = await self._today(connection, school_id, caller)
            rows = await who_is_there(connection, caller, school_id, *of, after=after, limit=page.limit + 1)
        return page_of(rows, page, query, lambda row: (row.student_id,))

    async def everybody(self, school_id: int, caller: Caller) -> list[InTheHouse]:
        """All whom `page` would list, of one moment, in the school's order: a list to be printed is not turned over.

        Raises:
            Forbidden, NotFound: as `page`.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        require_permission(caller, Permission.ROSTER_READ)
        async with self._database.snapshot() as connection:
            of = await self._today(connection, school_id, caller)
            rows = await who_is_there(connection, caller, school_id, *of)
        return sorted(rows, key=lambda row: name_order(row.family_name, row.given_name, row.student_id))

    async def count(self, school_id: int, caller: Caller) -> int:
        """How many are there.

        Raises:
            Forbidden: without `attendance:read`.
            NotFound: as `page`.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        async with self._database.snapshot() as connection:
            of = await self._today(connection, school_id, caller)
            return await how_many_are_there(connection, caller, school_id, *of)

    async def _today(self, connection: Connection, school_id: int, caller: Caller) -> tuple[date, list[str]]:
        """The school's today, and the statuses with which somebody is there."""
        await require_school(connection, caller, school_id)
        today = (await edit_window_of(connection, school_id, self._now())).today
        return today, _there((await find_statuses(connection, [school_id]))[school_id])


def _there(statuses: SchoolStatuses) -> list[str]:
    return [
        status.code
        for status in statuses
        if status.counts_as is CountsAs.ATTENDED and not status.flags.intersection(_ELSEWHERE)
    ]
