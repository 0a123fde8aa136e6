"""The students who are on site now, by the registers and the desk of today, and those of whom nobody knows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.named_schools import require_school
from adsum.attendance.statuses.repository import statuses_of_school
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.paging import PageRequest, RowPage, begin_of, by_number, page_of
from adsum.registers.on_site.repository import count_on_site, count_unknown, list_on_site, list_unknown
from adsum.registers.rules import LocalTime, OnSiteStudent, UnknownStudent
from adsum.roster.rules import NameOrder, name_order
from adsum.schools.repository import time_zone_of


@dataclass(frozen=True, slots=True)
class Everybody:
    """The students on site, and those who are unknown, read at one moment, each by family name and given name."""

    on_site: Sequence[OnSiteStudent]
    unknown: Sequence[UnknownStudent]


@dataclass(frozen=True, slots=True)
class OnSiteCount:
    """The numbers of students on site, and of those who are unknown."""

    on_site: int
    unknown: int


class OnSite:
    """Lists the students who are on site or unknown. `now` is the clock."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def page(self, school_id: int, caller: Caller, page: PageRequest) -> RowPage[OnSiteStudent]:
        """Students by id who are on site by their newest mark of the school's today, or by a newer entry of the desk;
        for a teacher of their classes.

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
            now = await self._local_time(connection, school_id, caller)
            statuses = await statuses_of_school(connection, school_id)
            rows = await list_on_site(connection, caller, school_id, now, statuses, after=after, limit=page.limit + 1)
        return page_of(rows, page, query, lambda row: (row.student_id,))

    async def unknown_page(self, school_id: int, caller: Caller, page: PageRequest) -> RowPage[UnknownStudent]:
        """Students by id who are in a due register and have no mark today, and no entry of the desk; for a teacher of
        their classes.

        Raises:
            Forbidden, NotFound, Invalid: as `page`.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        require_permission(caller, Permission.ROSTER_READ)
        query = ("unknown", school_id)
        after = begin_of(page, query, by_number) or 0
        async with self._database.snapshot() as connection:
            now = await self._local_time(connection, school_id, caller)
            rows = await list_unknown(connection, caller, school_id, now, after=after, limit=page.limit + 1)
        return page_of(rows, page, query, lambda row: (row.student_id,))

    async def everybody(self, school_id: int, caller: Caller) -> Everybody:
        """All students whom `page` and `unknown_page` list.

        Raises:
            Forbidden, NotFound: as `page`.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        require_permission(caller, Permission.ROSTER_READ)
        async with self._database.snapshot() as connection:
            now = await self._local_time(connection, school_id, caller)
            statuses = await statuses_of_school(connection, school_id)
            on_site = await list_on_site(connection, caller, school_id, now, statuses)
            unknown = await list_unknown(connection, caller, school_id, now)
        return Everybody(sorted(on_site, key=_by_name), sorted(unknown, key=_by_name))

    async def count(self, school_id: int, caller: Caller) -> OnSiteCount:
        """The numbers of students whom `everybody` lists.

        Raises:
            Forbidden: without `attendance:read`.
            NotFound: as `page`.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        async with self._database.snapshot() as connection:
            now = await self._local_time(connection, school_id, caller)
            statuses = await statuses_of_school(connection, school_id)
            return OnSiteCount(
                await count_on_site(connection, caller, school_id, now, statuses),
                await count_unknown(connection, caller, school_id, now),
            )

    async def _local_time(self, connection: Connection, school_id: int, caller: Caller) -> LocalTime:
        await require_school(connection, caller, school_id)
        return LocalTime.at(await time_zone_of(connection, school_id), self._now())


def _by_name(row: OnSiteStudent | UnknownStudent) -> NameOrder:
    return name_order(row.family_name, row.given_name, row.student_id)
