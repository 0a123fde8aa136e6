"""Retention drops the partition of a year, or deletes its rows in pages."""

from __future__ import annotations

import logging
from datetime import date

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.attendance.tables import attendance_changes, attendances, contradictions
from adsum.batches.tables import batch_runs
from adsum.platform.database import table_changes
from adsum.platform.database.engine import Database
from adsum.privacy.holds.rules import HoldReason
from adsum.privacy.holds.service import StudentHolds
from adsum.privacy.retention.repository import partitions
from adsum.privacy.retention.rules import Periods
from adsum.privacy.retention.service import Retention, RetentionRuns
from adsum.privacy.tables import retention_runs
from tests.privacy.years.conftest import serving_on
from tests.privacy.years.site import (
    NOW,
    OFFICE,
    keep_one_year,
    others_are_free,
    site_on,
)
from tests.support.schools import make_school
from tests.support.servers.postgres import Postgres


async def test_retention_locks_no_other_school_while_it_counts_one(
    partitioned: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = await site_on(partitioned)
    async with partitioned.transaction() as connection:
        await make_school(connection)
    runs = await keep_one_year(site)
    count = partitions.count_of_school

    async def watched(connection: AsyncConnection, school_id: int, first: date | None, end: date) -> int:
        await others_are_free(partitioned, school_id)
        return await count(connection, school_id, first, end)

    monkeypatch.setattr(partitions, "count_of_school", watched)
    await runs.delete_all()

    assert await site.partitions() == ["attendances_2025"]
    async with partitioned.snapshot() as connection:
        assert await connection.scalar(select(func.sum(retention_runs.c.deleted)))


async def test_a_period_that_is_raised_while_retention_counts_keeps_the_partition(
    partitioned: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = await site_on(partitioned)
    runs = await keep_one_year(site)
    count = partitions.count_open_runs

    async def raised(connection: AsyncConnection, end: date) -> int:
        await Retention(partitioned, lambda: NOW).set(None, Periods(records=5), OFFICE)
        return await count(connection, end)

    monkeypatch.setattr(partitions, "count_open_runs", raised)
    await runs.delete_all()

    assert "attendances_2024" in await site.partitions()
    assert await site.records_from() is None
    assert await site.count(attendances) == 2


async def test_retention_drops_the_partition_of_a_year_that_no_school_keeps(partitioned: Database) -> None:
    site = await site_on(partitioned)
    runs = await keep_one_year(site)

    await runs.delete_all()

    # The partition before it has no records; it goes, too.
    assert await site.partitions() == ["attendances_2025"]
    assert await site.count(attendances) == 1
    assert await site.count(attendance_changes) == await site.count(contradictions) == 0
    assert await site.records_from() == date(2025, 8, 1)
    async with partitioned.snapshot() as connection:
        (run,) = (await connection.execute(select(retention_runs))).all()
    assert (run.kind, run.before, run.ended_at is not None) == ("records", date(2025, 8, 1), True)
    assert run.deleted >= 1


@pytest.mark.long
async def test_retention_deletes_pages_of_a_year_with_a_student_on_hold(partitioned: Database) -> None:
    site = await site_on(partitioned)
    await StudentHolds(partitioned, lambda: NOW).place(site.school.student_ids[0], HoldReason.LITIGATION, None, OFFICE)
    runs = await keep_one_year(site)

    await runs.delete_all()

    assert "attendances_2024" in await site.partitions()
    assert await site.count(attendances) == 2
    async with partitioned.transaction() as connection:
        assert await connection.scalar(select(func.count()).select_from(batch_runs)) == 0


@pytest.mark.long
async def test_retention_keeps_a_partition_while_one_school_keeps_its_days(partitioned: Database) -> None:
    site = await site_on(partitioned)
    async with partitioned.transaction() as connection:
        other = (await make_school(connection)).school_id
    runs = await keep_one_year(site)
    await Retention(partitioned, lambda: NOW).set(other, Periods(records=5), OFFICE)

    await runs.delete_all()

    assert "attendances_2024" in await site.partitions()
    assert await site.count(attendances) == 1


async def test_retention_deletes_pages_of_a_partition_that_is_in_use_and_drops_it_at_the_next_pass(
    partitioned: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_changes, "LOCK_TIMEOUT_MS", 20)
    site = await site_on(partitioned)
    runs = await keep_one_year(site)

    async with partitioned.transaction() as reader:
        await reader.execute(text("SELECT 1 FROM attendances"))
        assert await runs.delete_all() > 0
    assert await site.count(attendances) == 1
    assert "attendances_2024" in await site.partitions()

    await runs.delete_all()
    assert await site.partitions() == ["attendances_2025"]


async def test_retention_deletes_pages_as_a_user_who_does_not_own_the_tables(
    partitioned: Database, postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    """Such as the worker of an installation whose tables belong to another role. No school is locked for a drop."""
    site = await site_on(partitioned)
    await keep_one_year(site)
    async with serving_on(partitioned, postgres) as serving:
        runs = RetentionRuns(serving, lambda: NOW)
        with caplog.at_level(logging.INFO):
            await runs.delete_all()
            await runs.delete_all()

    assert "attendances_2024" in await site.partitions()
    assert await site.count(attendances) == 1
    assert await site.records_from() == date(2025, 8, 1)
    assert len([each for each in caplog.records if each.msg.startswith("records are deleted in pages")]) == 1
