"""Registers that are due: which are taken, which only in part, and which not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.platform.database.engine import Database
from adsum.platform.paging import Key, Page, PageRequest, begin_of, page_of
from adsum.registers.repository import RegisterPosition, count_registers, list_registers
from adsum.registers.rules import Register, RegisterCount, RegisterFilters


class Registers:
    """The registers of a day. `now` is the clock."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def page(self, caller: Caller, filters: RegisterFilters, page: PageRequest) -> Page[Register]:
        """Registers of active classes with students, by class and session; of a teacher those of their classes.

        Only what is due: nothing where the school is closed, and of today nothing that has not begun yet. Three
        statements, however many classes there are.

        Raises:
            Forbidden: without `attendance:read`. Without `roster:read` nobody is named as missing.
            Invalid: the cursor is of another query, or none.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        after = begin_of(page, filters, _position)
        async with self._database.snapshot() as connection:
            rows = await list_registers(connection, caller, filters, self._now(), after, page.limit + 1)
        if not caller.may(Permission.ROSTER_READ):
            rows = [replace(row, missing_student_ids=None) for row in rows]
        return page_of(rows, page, filters, lambda row: (row.class_id, row.session_id))

    async def missing_today(self, caller: Caller, limit: int) -> Page[Register]:
        """The first registers that are due today and are not taken. Raises Forbidden as `page`."""
        return await self.page(caller, RegisterFilters(), PageRequest(limit=limit))

    async def count(self, caller: Caller, filters: RegisterFilters) -> RegisterCount:
        """How many registers are due, and how many of them are taken, whatever `missing_only` says.

        Raises:
            Forbidden: without `attendance:read`.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        async with self._database.snapshot() as connection:
            return await count_registers(connection, caller, filters, self._now())


def _position(key: Key) -> RegisterPosition:
    class_id, session_id = key
    return class_id, session_id
