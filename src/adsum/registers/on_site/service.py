"""The students who are on site now, by the registers of today."""

from __future__ import annotations

from datetime import date

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.attendance.statuses.repository import statuses_of_school
from adsum.attendance.statuses.rules import CountsAs, SchoolStatuses, StatusFlag
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.paging import Page, PageRequest, begin_of, by_number, page_of
from adsum.registers.on_site.repository import count_on_site, list_on_site
from adsum.registers.rules import OnSiteStudent
from adsum.roster.rules import name_order
from adsum.schools.repository import edit_window_of
from adsum.schools.service import require_school

# Statuses that count as attended while the student is not on site.
_ELSEWHERE = frozenset({StatusFlag.OFF_SITE, StatusFlag.LEFT_EARLY})


class OnSite:
    """Lists the students who are on site. `now` is the clock."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def page(self, school_id: int, caller: Caller, page: PageRequest) -> Page[OnSiteStudent]:
        """Students by id who are on site by their newest mark of the school's today; for a teacher of their classes.

        Raises:
            Forbidden: without `attendance:read` and `roster:read`.
            NotFound: there is no such school, or the caller does not see it.
            Invalid: the cursor belongs to another query, or is not a cursor.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        require_permission(caller, Permission.ROSTER_READ)
        query = ("on_site", school_id)
        after = begin_of(page, query, by_number) or 0
        async with self._database.snapshot() as connection:
            today, statuses = await self._today(connection, school_id, caller)
            rows = await list_on_site(connection, caller, school_id, today, statuses, after=after, limit=page.limit + 1)
        return page_of(rows, page, query, lambda row: (row.student_id,))

    async def everybody(self, school_id: int, caller: Caller) -> list[OnSiteStudent]:
        """All students whom `page` lists, read at one moment, by family name and given name.

        Raises:
            Forbidden, NotFound: as `page`.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        require_permission(caller, Permission.ROSTER_READ)
        async with self._database.snapshot() as connection:
            today, statuses = await self._today(connection, school_id, caller)
            rows = await list_on_site(connection, caller, school_id, today, statuses)
        return sorted(rows, key=lambda row: name_order(row.family_name, row.given_name, row.student_id))

    async def count(self, school_id: int, caller: Caller) -> int:
        """The number of students on site.

        Raises:
            Forbidden: without `attendance:read`.
            NotFound: as `page`.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        async with self._database.snapshot() as connection:
            today, statuses = await self._today(connection, school_id, caller)
            return await count_on_site(connection, caller, school_id, today, statuses)

    async def _today(self, connection: Connection, school_id: int, caller: Caller) -> tuple[date, list[str]]:
        """The school's today, and the codes of statuses of students who are on site."""
        await require_school(connection, caller, school_id)
        today = (await edit_window_of(connection, school_id, self._now())).today
        return today, _on_site_codes(await statuses_of_school(connection, school_id))


def _on_site_codes(statuses: SchoolStatuses) -> list[str]:
    return [
        status.code
        for status in statuses
        if status.counts_as is CountsAs.ATTENDED and not status.flags.intersection(_ELSEWHERE)
    ]
