"""A year is dropped if its archive has all of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from adsum.accounts.access import Role
from adsum.accounts.audit.tables import audit_entries
from adsum.attendance.tables import attendance_changes, attendances, contradictions
from adsum.platform.database.engine import Database
from adsum.platform.errors import Forbidden
from adsum.platform.ids import Batch
from adsum.privacy.holds.rules import HoldReason
from adsum.privacy.holds.service import StudentHolds
from adsum.privacy.tables import student_merges
from adsum.privacy.years import archives
from adsum.privacy.years.archives import YearArchives
from adsum.privacy.years.rules import YearKept
from adsum.schools.tables import schools
from tests.privacy.years.site import (
    LATER,
    NOW,
    OF_YEAR,
    OFFICE,
    Site,
    archived,
    rows,
    site_on,
)
from tests.support.runs import inserts, make_run
from tests.support.schools import caller, make_record, make_school


async def test_a_dropped_year_goes_with_its_history_and_the_next_one_stays(site: Site, tmp_path: Path) -> None:
    manifest = await archived(site, tmp_path)

    assert await site.archives.drop(manifest, OFFICE) == 1

    assert await site.count(attendances) == await site.count(attendances, attendances.c.learning_date == LATER) == 1
    assert await site.count(attendance_changes) == await site.count(contradictions) == 0
    assert await site.records_from() == date(2025, 8, 1)
    assert await site.count(audit_entries, audit_entries.c.action == "year_dropped") == 1


async def test_a_drop_is_repeated_without_effect(site: Site, tmp_path: Path) -> None:
    manifest = await archived(site, tmp_path)
    for _ in range(2):
        await site.archives.drop(manifest, OFFICE)

    assert await site.count(attendances) == 1
    assert await site.count(audit_entries, audit_entries.c.action == "year_dropped") == 1


async def test_a_year_that_retention_has_ended_needs_an_archive_with_what_is_left(site: Site, tmp_path: Path) -> None:
    manifest = await archived(site, tmp_path)
    other = replace(manifest, totals={})
    async with site.database.transaction() as connection:
        await connection.execute(update(schools).values(records_from=manifest.end))

    with pytest.raises(YearKept, match="have changed since the archive"):
        await site.archives.drop(other, OFFICE)
    assert await site.count(attendances) == 2

    await site.archives.drop(manifest, OFFICE)
    assert await site.count(attendances) == 1


async def test_an_interrupted_drop_goes_on_without_a_school_that_was_added_since(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = await archived(site, tmp_path)

    async def killed(*_: object) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(YearArchives, "_delete_page", killed)
        with pytest.raises(KeyboardInterrupt):
            await site.archives.drop(manifest, OFFICE)
    async with site.database.transaction() as connection:
        added = await make_school(connection)
    batch = Batch(added.class_id, added.session_id, OF_YEAR)
    async with site.database.transaction() as connection:
        kept = await make_record(connection, added.school_id, batch, added.student_ids[0])

    await site.archives.drop(manifest, OFFICE)

    async with site.database.snapshot() as connection:
        left = set(await connection.scalars(select(attendances.c.id)))
    assert left == {site.records[1], kept}
    assert await site.count(audit_entries, audit_entries.c.action == "year_dropped") == 1


async def test_a_year_that_has_changed_since_its_archive_is_kept(site: Site, tmp_path: Path) -> None:
    manifest = await archived(site, tmp_path)
    await site.add(date(2025, 1, 8))

    with pytest.raises(YearKept, match="have changed since the archive"):
        await site.archives.drop(manifest, OFFICE)

    assert await site.count(attendances) == 3
    assert await site.records_from() is None


async def test_a_corrected_record_needs_a_new_archive(site: Site, tmp_path: Path) -> None:
    other = await site.add(date(2025, 1, 8))
    manifest = await archived(site, tmp_path)
    await site.correct(other)

    with pytest.raises(YearKept, match="have changed since the archive"):
        await site.archives.drop(manifest, OFFICE)


async def test_as_many_new_records_as_erased_ones_need_a_new_archive(site: Site, tmp_path: Path) -> None:
    other = await site.add(date(2025, 1, 8))
    manifest = await archived(site, tmp_path)
    async with site.database.transaction() as connection:
        await connection.execute(delete(attendances).where(attendances.c.id == other))
    await site.add(date(2025, 1, 8))

    with pytest.raises(YearKept, match="have changed since the archive"):
        await site.archives.drop(manifest, OFFICE)


@pytest.mark.parametrize("changed_column", ["said_at", "resolved_at"])
async def test_a_disputed_mark_that_has_changed_needs_a_new_archive(
    site: Site, tmp_path: Path, changed_column: str
) -> None:
    manifest = await archived(site, tmp_path)
    async with site.database.transaction() as connection:
        await connection.execute(update(contradictions).values({changed_column: NOW + timedelta(days=1)}))

    with pytest.raises(YearKept, match="have changed since the archive"):
        await site.archives.drop(manifest, OFFICE)


def double(site: Site, day: date) -> dict[str, Any]:
    place = {"class_id": site.school.class_id, "session_id": site.school.session_id}
    return {**place, "learning_date": day.isoformat(), "removed": {"status": "late"}, "history": [{"reason": "Grüße"}]}


async def merge_with(site: Site, *days: date) -> None:
    """Adds a merge with double records of these days."""
    student_id, removed_id = site.school.student_ids[1:3]
    merge: dict[str, Any] = {
        "student_id": student_id,
        "removed_id": removed_id,
        "removed": {},
        "moved": {},
        "resolved": [double(site, day) for day in days],
        "merged_at": NOW,
        "merged_role": "office",
    }
    async with site.database.transaction() as connection:
        await connection.execute(insert(student_merges).values(merge))


async def test_an_archive_has_the_double_records_of_merges_that_its_drop_deletes(site: Site, tmp_path: Path) -> None:
    await merge_with(site, OF_YEAR, LATER)

    manifest = await archived(site, tmp_path)
    (row,) = rows(tmp_path / "2024.tar", "double_records")
    await site.archives.drop(manifest, OFFICE)

    assert (row["student_id"], row["removed_id"]) == tuple(site.school.student_ids[1:3])
    assert row.items() >= double(site, OF_YEAR).items()
    assert site.school.student_ids[1] in [each["id"] for each in rows(tmp_path / "2024.tar", "students")]
    async with site.database.snapshot() as connection:
        assert await connection.scalar(select(student_merges.c.resolved)) == [double(site, LATER)]


async def test_a_merge_since_the_archive_needs_a_new_one(site: Site, tmp_path: Path) -> None:
    manifest = await archived(site, tmp_path)
    await merge_with(site, OF_YEAR)

    with pytest.raises(YearKept, match="have changed since the archive"):
        await site.archives.drop(manifest, OFFICE)


async def test_the_oldest_year_is_dropped_first_and_the_present_one_never(site: Site, tmp_path: Path) -> None:
    await site.add(date(2026, 11, 2))
    second, present = [await site.archives.archive(year, tmp_path / f"{year}.tar", OFFICE) for year in (2025, 2026)]
    with pytest.raises(YearKept, match="earlier years first"):
        await site.archives.drop(second, OFFICE)
    with pytest.raises(YearKept, match="ends on 2027-08-01"):
        await site.archives.drop(present, OFFICE)


async def test_a_student_on_hold_keeps_the_year(site: Site, tmp_path: Path) -> None:
    manifest = await archived(site, tmp_path)
    await StudentHolds(site.database, lambda: NOW).place(
        site.school.student_ids[0], HoldReason.LITIGATION, None, OFFICE
    )

    with pytest.raises(YearKept, match="students on hold"):
        await site.archives.drop(manifest, OFFICE)

    assert await site.count(attendances) == 2


async def test_a_batch_that_is_being_recorded_keeps_the_year(site: Site, tmp_path: Path) -> None:
    manifest = await archived(site, tmp_path)
    batch = Batch(site.school.class_id, site.school.session_id, date(2025, 1, 8))
    async with site.database.transaction() as connection:
        await make_run(connection, site.school, inserts(site.school.student_ids), batch=batch)

    with pytest.raises(YearKept, match="being recorded"):
        await site.archives.drop(manifest, OFFICE)


async def test_a_year_that_cannot_be_dropped_is_known_without_an_archive(site: Site) -> None:
    await site.archives.require_droppable(2024, OFFICE)
    for year, reason in ((2025, "earlier years first"), (2026, "ends on 2027-08-01")):
        with pytest.raises(YearKept, match=reason):
            await site.archives.require_droppable(year, OFFICE)
    with pytest.raises(Forbidden):
        await site.archives.require_droppable(2024, caller(Role.OPERATOR))


async def test_years_of_all_schools_need_the_rights_of_all_schools(site: Site, tmp_path: Path) -> None:
    manifest = await archived(site, tmp_path)
    for each in (caller(Role.OFFICE, site.school.school_id), caller(Role.OPERATOR)):
        with pytest.raises(Forbidden):
            await site.archives.archive(2025, tmp_path / "2025.tar", each)
        with pytest.raises(Forbidden):
            await site.archives.drop(manifest, each)


async def test_a_year_with_a_partition_goes_with_it(partitioned: Database, tmp_path: Path) -> None:
    site = await site_on(partitioned)
    assert "attendances_2024" in await site.partitions()

    await site.archives.drop(await archived(site, tmp_path), OFFICE)

    assert "attendances_2024" not in await site.partitions()
    assert await site.count(attendances) == 1
    assert await site.count(attendance_changes) == 0


async def test_a_year_is_dropped_with_an_archive_of_the_first_format(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(archives, "newest_revision", lambda: None)
        manifest = await archived(site, tmp_path)
    assert b'"format": 1' in (tmp_path / "2024.tar").read_bytes()
    assert manifest.schema is None

    await site.archives.drop(manifest, OFFICE)

    assert await site.count(attendances) == 1
