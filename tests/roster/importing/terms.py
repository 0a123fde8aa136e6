"""The days on which a class is due, and on which its school is open."""

from __future__ import annotations

from datetime import UTC, date, datetime

from adsum.accounts.access import system_caller
from adsum.operations.migrations import tables
from adsum.registers.rules import RegisterCount, RegisterFilters
from adsum.registers.service import Registers
from tests.roster.conftest import Importing

LATER = datetime(2025, 9, 1, 12, tzinfo=UTC)
IN_FIRST, BETWEEN, IN_SECOND = date(2024, 10, 15), date(2024, 11, 27), date(2024, 12, 10)


async def due_on(importing: Importing, day: date) -> int:
    registers = Registers(importing.database, lambda: LATER)
    counted: RegisterCount = await registers.count(system_caller(), RegisterFilters(day=day))
    return counted.due


async def opening(importing: Importing) -> list[str]:
    """The terms in which the school is open."""
    return [row["source_id"] for row in await importing.rows(tables.terms) if row["opens_school"]]
