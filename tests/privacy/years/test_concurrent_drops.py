"""A drop beside other transactions: it locks few, and loses nothing that they write."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.audit.tables import audit_entries
from adsum.attendance.repository import apply_changes
from adsum.attendance.tables import attendance_changes, attendances, contradictions
from adsum.platform.database import table_changes
from adsum.platform.database.engine import Database, LockTimeout
from adsum.platform.ids import Batch
from adsum.privacy.retention.repository import periods
from adsum.privacy.years import repository
from adsum.privacy.years.archives import YearArchives
from adsum.privacy.years.rules import SchoolTotals, YearKept, YearManifest
from adsum.roster.tables import sessions
from adsum.schools.tables import schools
from tests.privacy.years.site import (
    CHANGE,
    NOW,
    OF_YEAR,
    OFFICE,
    Site,
    archived,
    others_are_free,
    site_on,
)
from tests.support.runs import inserts, make_run
from tests.support.schools import make_record, make_school
from tests.support.waiting import has_transaction_waiting_for_a_lock, until


async def test_a_drop_locks_no_other_school_while_it_compares_one(
    partitioned: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = await site_on(partitioned)
    async with partitioned.transaction() as connection:
        await make_school(connection)
    manifest = await archived(site, tmp_path)
    count, compared = repository.totals_of, list[int]()

    async def watched(connection: AsyncConnection, school_id: int, first: date, end: date) -> SchoolTotals:
        await others_are_free(partitioned, school_id)
        compared.append(school_id)
        return await count(connection, school_id, first, end)

    monkeypatch.setattr(repository, "totals_of", watched)
    await site.archives.drop(manifest, OFFICE)

    assert len(compared) == 4
    assert "attendances_2024" not in await site.partitions()


async def test_a_batch_that_was_decided_before_a_drop_is_not_inserted_after_it(site: Site, tmp_path: Path) -> None:
    fence = select(sessions.c.turn).where(sessions.c.id == site.school.session_id)
    manifest = await archived(site, tmp_path)
    async with site.database.snapshot() as connection:
        before = await connection.scalar(fence)

    await site.archives.drop(manifest, OFFICE)

    async with site.database.snapshot() as connection:
        assert await connection.scalar(fence) == (before or 0) + 1, "insert_runs compares it"


async def test_a_batch_that_is_accepted_while_schools_are_compared_keeps_the_year(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = await archived(site, tmp_path)
    batch = Batch(site.school.class_id, site.school.session_id, date(2025, 1, 8))

    async def accepted(connection: AsyncConnection, _school_id: int) -> None:
        await make_run(connection, site.school, inserts(site.school.student_ids), batch=batch)

    monkeypatch.setattr("adsum.privacy.years.archives.lock_school", accepted)
    with pytest.raises(YearKept, match="being recorded"):
        await site.archives.drop(manifest, OFFICE)

    assert await site.records_from() is None
    assert await site.count(attendances) == 2


async def test_a_refused_drop_changes_no_school(site: Site, tmp_path: Path) -> None:
    async with site.database.transaction() as connection:
        second = await make_school(connection)
    manifest = await archived(site, tmp_path)
    async with site.database.transaction() as connection:
        batch = Batch(second.class_id, second.session_id, OF_YEAR)
        await make_record(connection, second.school_id, batch, second.student_ids[0])

    with pytest.raises(YearKept, match=f"school {second.school_id} have changed"):
        await site.archives.drop(manifest, OFFICE)

    assert await site.count(schools, schools.c.records_from.is_not(None)) == 0


async def test_a_school_that_is_added_during_a_drop_keeps_the_year(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = await archived(site, tmp_path)
    set_records_from = periods.set_records_from

    async def with_school(connection: AsyncConnection, school_id: int, day: date) -> None:
        await set_records_from(connection, school_id, day)
        await make_school(connection)

    with monkeypatch.context() as patch:
        patch.setattr("adsum.privacy.years.archives.set_records_from", with_school)
        with pytest.raises(YearKept, match="a school was added"):
            await site.archives.drop(manifest, OFFICE)
    assert await site.count(attendances) == 2

    await site.archives.drop(manifest, OFFICE)
    assert await site.count(attendances) == 1


async def test_a_drop_waits_for_no_transaction_for_long(
    partitioned: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = await site_on(partitioned)
    manifest = await archived(site, tmp_path)
    monkeypatch.setattr(table_changes, "LOCK_TIMEOUT_MS", 20)
    monkeypatch.setattr(table_changes, "LOCK_PATIENCE_S", -1.0)

    async with partitioned.transaction() as reader:
        await reader.execute(text("SELECT 1 FROM attendances"))
        with pytest.raises(LockTimeout, match="refuse marks of days before 2025-08-01 already: drop the year again"):
            await site.archives.drop(manifest, OFFICE)

    assert await site.records_from() == date(2025, 8, 1)
    assert await site.count(attendances) == 2
    assert await site.count(audit_entries, audit_entries.c.action == "year_dropped") == 0

    await site.archives.drop(manifest, OFFICE)
    assert await site.count(attendances) == 1


async def test_a_change_after_the_comparison_keeps_the_year(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Undoing a batch changes records of any day, and a correction may have read the first day of its school before."""
    other = await site.add(date(2025, 1, 8))
    manifest = await archived(site, tmp_path)
    end_year = YearArchives._end_year  # pyright: ignore[reportPrivateUsage]

    async def then_corrected(archives: YearArchives, of_year: YearManifest) -> object:
        compared = await end_year(archives, of_year)
        await site.correct(other)
        return compared

    with monkeypatch.context() as patch:
        patch.setattr(YearArchives, "_end_year", then_corrected)
        with pytest.raises(YearKept, match=r"was changed while others were compared.* with a new archive"):
            await site.archives.drop(manifest, OFFICE)
    assert await site.count(attendances) == 3
    assert await site.count(audit_entries, audit_entries.c.action == "year_dropped") == 0

    with pytest.raises(YearKept, match="have changed since the archive"):
        await site.archives.drop(manifest, OFFICE)
    (tmp_path / "2024.tar").unlink()
    assert await site.archives.drop(await archived(site, tmp_path), OFFICE) == 2
    assert await site.count(attendances) == 1


async def test_a_disputed_mark_after_the_comparison_keeps_the_year(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = await archived(site, tmp_path)
    end_year = YearArchives._end_year  # pyright: ignore[reportPrivateUsage]

    async def then_settled(archives: YearArchives, of_year: YearManifest) -> object:
        compared = await end_year(archives, of_year)
        async with site.database.transaction() as connection:
            await connection.execute(update(contradictions).values(resolved_at=NOW))
        return compared

    monkeypatch.setattr(YearArchives, "_end_year", then_settled)
    with pytest.raises(YearKept, match="was changed while others were compared"):
        await site.archives.drop(manifest, OFFICE)


async def test_a_drop_waits_for_a_correction_that_began_before_it_and_keeps_its_record(
    partitioned: Database, tmp_path: Path
) -> None:
    site = await site_on(partitioned)
    other = await site.add(date(2025, 1, 8))
    manifest = await archived(site, tmp_path)

    async with partitioned.transaction() as correction:
        of_record = select(attendances.c.id).where(attendances.c.id == other).with_for_update()
        await correction.execute(of_record)
        # From here on the correction knows that its day may be corrected.
        drop = asyncio.create_task(site.archives.drop(manifest, OFFICE))
        await until(lambda: has_transaction_waiting_for_a_lock(partitioned))
        assert await site.records_from() == date(2025, 8, 1)
        await apply_changes(correction, {other: CHANGE})
    with pytest.raises(YearKept, match="was changed while others were compared"):
        await drop

    assert "attendances_2024" in await site.partitions()
    assert await site.count(attendance_changes, attendance_changes.c.attendance_id == other) == 1
