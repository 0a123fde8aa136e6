"""Registers that are due."""

from __future__ import annotations

from dataclasses import replace

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.named_schools import require_named_school
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.platform.paging import Key, PageRequest, RowPage, begin_of, page_of
from adsum.registers.repository import RegisterPosition, count_registers, list_registers
from adsum.registers.rules import Register, RegisterCount, RegisterFilters


class Registers:
    """The registers of a day. `now` is the clock."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def page(self, caller: Caller, filters: RegisterFilters, page: PageRequest) -> RowPage[Register]:
        """Registers of active classes with students, by class and session; for a teacher those of their classes.

        A register is due if the school is open on that day, and today only once its session has begun. Three
        statements, however many classes there are, and one for the school of the filter. Without `roster:read` the ids
        of missing students are left out.

        Raises:
            Forbidden: without `attendance:read`.
            NotFound: the caller does not see the school of the filter.
            Invalid: the cursor belongs to another query, or is not a cursor.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        after = begin_of(page, filters, _position)
        async with self._database.snapshot() as connection:
            await require_named_school(connection, caller, filters.school_id)
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
