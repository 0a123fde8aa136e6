"""Partitions of coming years are made ahead, and their statistics are renewed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import make_url, text

from adsum.platform.database import partitions as ahead_of_years
from adsum.platform.database import table_changes
from adsum.platform.database.engine import Database, open_database
from adsum.platform.database.partitions import PartitionsAhead
from adsum.platform.settings import Settings
from adsum.privacy.years.repository import partitions_ahead
from adsum.wiring import migrate
from tests.platform.database.partitioned import (
    NEXT_YEAR,
    NOW,
    Clock,
    add_records,
    as_owner,
    correct,
    names,
    partition,
    tables_of_days,
)
from tests.support.schools import SchoolIds
from tests.support.waiting import has_transaction_waiting_for_a_lock, until


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def ahead(unpartitioned: Database, clock: Clock) -> AsyncGenerator[PartitionsAhead]:
    """On partitioned records, at the time of the clock."""
    await partition(unpartitioned)
    ahead = partitions_ahead(unpartitioned, lambda: clock.now)
    yield ahead
    await ahead.close()


async def test_the_partition_of_the_next_year_is_made_before_it_begins_and_looked_for_once_a_day(
    unpartitioned: Database, clock: Clock, ahead: PartitionsAhead
) -> None:
    assert await names(unpartitioned) == ["attendances_before_2026", "attendances_2026", "attendances_2027"]
    assert await ahead.make_if_due() == 0

    clock.now = NEXT_YEAR

    assert [await ahead.make_if_due(), await ahead.make_if_due()] == [2, 0]
    assert (await names(unpartitioned))[-1] == "attendances_2028"


async def test_rows_without_a_partition_move_to_the_new_one(
    unpartitioned: Database, school: SchoolIds, clock: Clock, ahead: PartitionsAhead
) -> None:
    (record_id,) = await add_records(unpartitioned, school, date(2028, 9, 1))
    await correct(unpartitioned, record_id)
    clock.now = NEXT_YEAR

    await ahead.make_if_due()

    async with unpartitioned.snapshot() as connection:
        for table in ("attendances", "attendance_changes"):
            assert await tables_of_days(connection, table) == {date(2028, 9, 1): f"{table}_2028"}


async def test_a_year_with_many_rows_stays_in_the_partition_of_other_days_and_later_ones_get_their_own(
    unpartitioned: Database, school: SchoolIds, clock: Clock, ahead: PartitionsAhead, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To move them all would hold up everybody who marks."""
    monkeypatch.setattr(ahead_of_years, "MOVED", 1)
    many = date(2028, 9, 1), date(2028, 9, 2)
    for record_id in await add_records(unpartitioned, school, *many, date(2029, 9, 1)):
        await correct(unpartitioned, record_id)
    clock.now = datetime(2029, 9, 1, tzinfo=UTC)

    assert await ahead.make_if_due() == 4

    assert (await names(unpartitioned))[-3:] == ["attendances_2027", "attendances_2029", "attendances_2030"]
    async with unpartitioned.snapshot() as connection:
        for table in ("attendances", "attendance_changes"):
            expected = dict.fromkeys(many, f"{table}_other") | {date(2029, 9, 1): f"{table}_2029"}
            assert await tables_of_days(connection, table) == expected


async def test_a_user_who_does_not_own_the_tables_says_so_once_and_makes_and_analyses_nothing(
    unpartitioned: Database, unpartitioned_url: str, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    await partition(unpartitioned)
    await as_owner(unpartitioned, "CREATE ROLE partitions_serving LOGIN")
    url = make_url(unpartitioned_url).set(username="partitions_serving").render_as_string(hide_password=False)
    serving = open_database(url)
    clock.now = NEXT_YEAR
    try:
        chore = partitions_ahead(serving, lambda: clock.now)
        assert [await chore.make_if_due(), await chore.make()] == [0, 0]
    finally:
        await serving.close()
        await as_owner(unpartitioned, "DROP ROLE partitions_serving")
    assert [each.levelname for each in caplog.records if each.msg.startswith("partitions are neither")] == ["WARNING"]


async def test_a_migration_makes_the_partitions_that_are_missing(
    unpartitioned: Database, unpartitioned_url: str, ahead: PartitionsAhead
) -> None:
    """As the owner of the tables, which the worker may not be."""
    for table in ("attendance_changes", "attendances"):
        await as_owner(unpartitioned, f"DROP TABLE {table}_2027")

    await migrate(Settings(database_url=unpartitioned_url))

    assert "attendances_2027" in await names(unpartitioned)


async def test_a_partition_whose_table_is_in_use_is_made_ten_minutes_later(
    unpartitioned: Database, clock: Clock, ahead: PartitionsAhead, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_changes, "LOCK_TIMEOUT_MS", 20)
    clock.now = NEXT_YEAR

    async with unpartitioned.transaction() as reader:
        await reader.execute(text("SELECT 1 FROM attendances"))
        assert await ahead.make_if_due() == 0
    assert await ahead.make_if_due() == 0
    clock.now += timedelta(minutes=10)
    assert await ahead.make_if_due() == 2


async def test_the_statistics_of_the_whole_table_are_renewed(
    unpartitioned: Database, school: SchoolIds, ahead: PartitionsAhead
) -> None:
    await add_records(unpartitioned, school, date(2026, 9, 1), date(2027, 9, 1))

    async def has_statistics() -> bool:
        of_all = "SELECT count(*) FROM pg_statistic WHERE starelid = 'attendances'::regclass AND stainherit"
        async with unpartitioned.snapshot() as connection:
            return bool(await connection.scalar(text(of_all)))

    assert not await has_statistics()
    await ahead.make_if_due()
    await until(has_statistics)


async def test_an_analysis_that_the_server_ends_is_left_to_the_next_day(
    unpartitioned: Database, ahead: PartitionsAhead
) -> None:
    async with unpartitioned.transaction() as other:
        await other.execute(text("LOCK TABLE attendances IN SHARE UPDATE EXCLUSIVE MODE"))
        analysis = asyncio.create_task(ahead.analyse())
        await until(lambda: has_transaction_waiting_for_a_lock(unpartitioned))
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        await other.execute(text(ended))
        await analysis


async def test_a_database_without_partitions_gets_none(unpartitioned: Database) -> None:
    ahead = partitions_ahead(unpartitioned, lambda: NOW)
    assert await ahead.make_if_due() == 0
    await ahead.close()
    assert await names(unpartitioned) == []
