"""No list of records scans the whole table, according to SQLite's query plans."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import date

import pytest

from adsum.accounts.access import Caller, Role
from adsum.attendance.repository import count_marks, list_records
from adsum.attendance.rules import RecordFilters
from adsum.platform.database.engine import Database, open_database
from tests.support.schools import caller
from tests.support.statements import plans_of, statements_sent

DAY = date(2024, 12, 25)
AFTER = (1, DAY, 1, 1)


@pytest.fixture
async def sqlite(sqlite_url: str) -> AsyncGenerator[Database]:
    opened = open_database(sqlite_url)
    yield opened
    await opened.close()


async def plan_of(database: Database, actor: Caller, filters: RecordFilters) -> list[str]:
    """SQLite's plan for a page of records."""
    async with database.snapshot() as connection:
        with statements_sent(database) as sent:
            await list_records(connection, actor, filters, AFTER, 51)
        statement, parameters = sent[-1]
        steps = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return [step["detail"] for step in steps.mappings()]


@pytest.mark.parametrize(
    "filters",
    [
        RecordFilters(),
        RecordFilters(first_day=DAY, last_day=DAY),
        RecordFilters(school_id=1),
        RecordFilters(class_id=1),
        RecordFilters(session_id=1),
        RecordFilters(student_id=1),
        RecordFilters(status="absent"),
    ],
)
@pytest.mark.parametrize(
    "actor",
    [caller(Role.ADMIN), caller(Role.OFFICE, 1), caller(Role.TEACHER, 1, 1)],
    ids=["admin", "office", "teacher"],
)
async def test_a_page_of_records_is_found_by_an_index(sqlite: Database, actor: Caller, filters: RecordFilters) -> None:
    plan = await plan_of(sqlite, actor, filters)

    assert any(line.startswith("SEARCH attendances USING INDEX") for line in plan), plan
    assert not any(line.startswith("SCAN attendances") for line in plan), plan
    if filters.student_id is not None:
        assert any("(student_id=?" in line for line in plan), plan


async def test_marks_of_closed_days_are_counted_without_those_between_them(database: Database) -> None:
    days = [DAY, date(2025, 7, 1)]
    (plan,) = await plans_of(database, lambda connection: count_marks(connection, 1, days))
    (read,) = [line for line in plan if "school_id_learning_date" in line]
    if database.is_postgres:
        assert any("learning_date = ANY" in line for line in plan), plan
    else:
        assert read.endswith("(school_id=? AND learning_date=?)"), plan
