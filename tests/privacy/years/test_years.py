"""The school years of an installation, with their records and partitions."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import select

from adsum.accounts.access import Role, system_caller
from adsum.accounts.audit.tables import audit_entries
from adsum.platform.database.engine import Database, open_database
from adsum.platform.errors import Forbidden
from adsum.platform.ids import Batch
from adsum.privacy.retention.repository.periods import DEFAULT, set_periods
from adsum.privacy.retention.rules import Periods
from adsum.privacy.years.rules import SchoolYear
from adsum.privacy.years.service import NoPartitions, SchoolYears
from tests.support.commands import Commands
from tests.support.schools import caller, make_records, make_school

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
OFFICE = system_caller()


def years(database: Database) -> SchoolYears:
    return SchoolYears(database, lambda: NOW)


async def add_records(database: Database, *days: date) -> None:
    async with database.transaction() as connection:
        school = await make_school(connection)
        batches = [Batch(school.class_id, school.session_id, day) for day in days]
        await make_records(connection, school.school_id, batches, school.student_ids)


async def test_years_are_listed_with_their_records_the_oldest_first(database: Database) -> None:
    await add_records(database, date(2024, 7, 31), date(2024, 8, 1), date(2025, 7, 31))

    found = [each for each in await years(database).list(OFFICE) if each.records]

    assert found == [
        SchoolYear(date(2023, 8, 1), date(2024, 8, 1), 3, None),
        SchoolYear(date(2024, 8, 1), date(2025, 8, 1), 6, None),
    ]


async def test_a_year_begins_in_the_month_of_the_default_of_retention(sqlite_url: str) -> None:
    database = open_database(sqlite_url)
    await add_records(database, date(2024, 8, 31))
    async with database.transaction() as connection:
        await set_periods(connection, DEFAULT, Periods(first_month=9))

    assert [each.first for each in await years(database).list(OFFICE)] == [date(2023, 9, 1)]
    await database.close()


async def test_callers_of_one_school_see_no_years_of_all(database: Database) -> None:
    for each in (caller(Role.OFFICE, 1), caller(Role.OPERATOR)):
        with pytest.raises(Forbidden):
            await years(database).list(each)
        with pytest.raises(Forbidden):
            await years(database).partition(None, each)


async def test_a_file_has_no_partitions(sqlite_url: str) -> None:
    database = open_database(sqlite_url)
    with pytest.raises(NoPartitions, match="SQLite"):
        await years(database).partition(None, OFFICE)
    await database.close()


async def test_records_are_partitioned_by_the_chosen_month_and_the_log_says_so(unpartitioned: Database) -> None:
    await add_records(unpartitioned, date(2026, 9, 1))

    assert await years(unpartitioned).partition(9, OFFICE)
    assert not await years(unpartitioned).partition(8, OFFICE)

    assert await years(unpartitioned).list(OFFICE) == [
        SchoolYear(date(2026, 9, 1), date(2027, 9, 1), 3, None),
        SchoolYear(date(2027, 9, 1), date(2028, 9, 1), 0, "attendances_2027"),
    ]
    async with unpartitioned.snapshot() as connection:
        assert list(await connection.scalars(select(audit_entries.c.action))) == ["records_partitioned"]


async def test_a_new_database_of_postgres_is_partitioned(postgres_database: Database) -> None:
    await add_records(postgres_database, datetime.now(UTC).date())

    (year,) = [each for each in await years(postgres_database).list(OFFICE) if each.records]

    assert year.partition == f"attendances_{year.first.year}"


def test_years_are_shown_and_partitioned_by_commands(demo: Commands) -> None:
    assert json.loads(demo.output("year", "list", "--json")) == []
    refused = demo.run("year", "partition")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "SQLite has no partitions" in refused.stderr
