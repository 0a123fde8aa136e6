"""Registers that are due, and the timetable of a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.attendance.statuses.service import Statuses
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.platform.paging import MAX_LIMIT, Key, Page, PageRequest, begin_of, every_item, page_of
from adsum.registers.lessons import Lesson, LocalTime, timetable_of_day
from adsum.registers.repository import RegisterPosition, count_registers, list_registers
from adsum.registers.rules import Register, RegisterCount, RegisterFilters
from adsum.schools.service import Schools


class Registers:
    """The registers of a day. `now` is the clock."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def page(self, caller: Caller, filters: RegisterFilters, page: PageRequest) -> Page[Register]:
        """Registers of active classes with students, by class and session; for a teacher those of their classes.

        A register is due if the school is open on that day, and today only once its session has begun. Three
        statements, however many classes there are. Without `roster:read` the ids of missing students are left out.

        Raises:
            Forbidden: without `attendance:read`.
            Invalid: the cursor belongs to another query, or is not a cursor.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        after = begin_of(page, filters, _position)
        async with self._database.snapshot() as connection:
            rows = await list_registers(connection, caller, filters, self._now(), after, page.limit + 1)
        if not caller.may(Permission.ROSTER_READ):
            rows = [replace(row, missing_student_ids=None) for row in rows]
        return page_of(rows, page, filters, lambda row: (row.class_id, row.session_id))

    async def count(self, caller: Caller, filters: RegisterFilters) -> RegisterCount:
        """The number of registers that are due, and of those that are taken. `missing_only` has no effect.

        Raises:
            Forbidden: without `attendance:read`.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        async with self._database.snapshot() as connection:
            return await count_registers(connection, caller, filters, self._now())


def _position(key: Key) -> RegisterPosition:
    class_id, session_id = key
    return class_id, session_id


@dataclass(frozen=True, slots=True)
class DayTimetable:
    """A page of the timetable of a day. `is_today`: the day is today at a school of the caller."""

    day: date
    is_today: bool
    lessons: Sequence[Lesson]
    next_cursor: str | None


class DayTimetables:
    """Reads the timetable of a day, for the page on which a teacher begins. `now` is the clock."""

    def __init__(self, schools: Schools, registers: Registers, statuses: Statuses, now: Clock) -> None:
        self._schools = schools
        self._registers = registers
        self._statuses = statuses
        self._now = now

    async def read(self, caller: Caller, day: date | None, cursor: str | None) -> DayTimetable:
        """The timetable of `day`, or of the schools' today.

        Raises:
            Forbidden: without `attendance:read` and `roster:read`.
            Invalid: the cursor belongs to another query, or is not a cursor.
        """
        now = self._now()
        schools = await every_item(lambda page: self._schools.page(caller, page))
        local_times = {school.id: LocalTime.at(school.time_zone, now) for school in schools}
        filters = RegisterFilters(day=day, missing_only=False, with_upcoming=True)
        page = await self._registers.page(caller, filters, PageRequest(cursor, MAX_LIMIT))
        school_ids = {register.school_id for register in page.items}
        statuses = {school_id: await self._statuses.all_of(school_id, caller) for school_id in school_ids}
        lessons = timetable_of_day(page.items, statuses, local_times)
        days = {local.day for local in local_times.values()}
        shown = day or (lessons[0].register.learning_date if lessons else min(days, default=now.date()))
        return DayTimetable(shown, shown in days, lessons, page.next_cursor)
