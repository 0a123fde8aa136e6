"""A school year is archived in a file that can be checked, and dropped if the file has all of it."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import logging
import stat
import tarfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Table, delete, func, insert, make_url, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Role, system_caller
from adsum.accounts.audit.tables import audit_entries
from adsum.attendance.repository import apply_changes
from adsum.attendance.rules import RecordChange
from adsum.attendance.tables import attendance_changes, attendances, contradictions
from adsum.batches.tables import batch_runs
from adsum.platform.database import table_changes
from adsum.platform.database.engine import Database, LockTimeout, open_database
from adsum.platform.errors import Forbidden
from adsum.platform.ids import Batch
from adsum.privacy.holds.rules import HoldReason
from adsum.privacy.holds.service import StudentHolds
from adsum.privacy.retention.repository import partitions, periods
from adsum.privacy.retention.repository.partitions import partitions_of_records
from adsum.privacy.retention.rules import Periods
from adsum.privacy.retention.service import Retention, RetentionRuns
from adsum.privacy.tables import retention_runs, student_merges
from adsum.privacy.years import archive as files
from adsum.privacy.years import repository
from adsum.privacy.years.archive import ArchiveRefused, digest_of_manifest, read_archive
from adsum.privacy.years.archives import YearArchives
from adsum.privacy.years.rules import SchoolTotals, YearKept, YearManifest
from adsum.roster.tables import sessions
from adsum.schools.tables import schools
from tests.privacy.years.conftest import NAME
from tests.support.commands import Commands
from tests.support.runs import inserts, make_run
from tests.support.schools import SchoolIds, caller, make_record, make_school
from tests.support.servers.postgres import Postgres

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
OFFICE = system_caller()
OF_YEAR, LATER = date(2024, 12, 25), date(2025, 9, 1)
SERVING = f"serve_{NAME}"
CHANGE = RecordChange(2, "present", None, "absent", "Grüße", NOW, "office", None, None, None, None)


@dataclass(frozen=True, slots=True)
class Site:
    """A school with records of two school years, of which the first one has a change and a disputed mark."""

    database: Database
    school: SchoolIds
    records: Sequence[int]

    @property
    def archives(self) -> YearArchives:
        return YearArchives(self.database, lambda: NOW)

    async def count(self, table: Table, *conditions: Any) -> int:
        async with self.database.snapshot() as connection:
            return await connection.scalar(select(func.count()).select_from(table).where(*conditions)) or 0

    async def add(self, day: date) -> int:
        batch = Batch(self.school.class_id, self.school.session_id, day)
        async with self.database.transaction() as connection:
            return await make_record(connection, self.school.school_id, batch, self.school.student_ids[0])

    async def correct(self, record_id: int) -> None:
        async with self.database.transaction() as connection:
            await apply_changes(connection, {record_id: CHANGE})

    async def records_from(self) -> date | None:
        async with self.database.snapshot() as connection:
            return await connection.scalar(select(schools.c.records_from))

    async def partitions(self) -> list[str]:
        async with self.database.snapshot() as connection:
            return [each.name for each in await partitions_of_records(connection)]


async def site_on(database: Database) -> Site:
    async with database.transaction() as connection:
        school = await make_school(connection)
        disputed = {
            "school_id": school.school_id,
            "class_id": school.class_id,
            "session_id": school.session_id,
            "learning_date": OF_YEAR,
            "student_id": school.student_ids[0],
            "status": "late",
            "said_at": NOW,
            "said_role": "teacher",
        }
        await connection.execute(insert(contradictions).values(disputed))
    site = Site(database, school, [])
    records = [await site.add(day) for day in (OF_YEAR, LATER)]
    await site.correct(records[0])
    return replace(site, records=records)


@pytest.fixture
async def site(database: Database) -> Site:
    return await site_on(database)


async def archived(site: Site, folder: Path) -> YearManifest:
    path = folder / "2024.tar"
    await site.archives.archive(2024, path, OFFICE)
    return read_archive(path)


def names_in(folder: Path) -> list[str]:
    """The names of files other than the database."""
    return sorted(each.name for each in folder.iterdir() if not each.name.startswith("adsum-"))


def rows(path: Path, name: str) -> list[dict[str, Any]]:
    with tarfile.open(path) as tar:
        file = tar.extractfile(f"{name}.jsonl.gz")
        assert file is not None
        return [json.loads(line) for line in gzip.decompress(file.read()).splitlines()]


async def test_an_archive_has_the_records_of_the_year_with_all_columns_and_the_names(
    site: Site, tmp_path: Path
) -> None:
    path = tmp_path / "2024.tar"

    manifest = await site.archives.archive(2024, path, OFFICE)

    assert read_archive(path) == manifest
    assert (manifest.first, manifest.end) == (date(2024, 8, 1), date(2025, 8, 1))
    assert (manifest.records, manifest.changes) == (1, 1)
    (mark,) = rows(path, "attendances")
    assert list(mark) == attendances.c.keys()
    assert (mark["id"], mark["learning_date"], mark["status"], mark["version"]) == (
        site.records[0],
        "2024-12-25",
        "absent",
        2,
    )
    (change,) = rows(path, "attendance_changes")
    assert list(change) == attendance_changes.c.keys()
    assert (change["attendance_id"], change["new_note"]) == (site.records[0], "Grüße")
    assert [each["status"] for each in rows(path, "disputed_marks")] == ["late"]
    assert [each["id"] for each in rows(path, "students")] == [site.school.student_ids[0]]
    assert [len(rows(path, name)) for name in ("schools", "classes", "sessions")] == [1, 1, 1]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names_in(tmp_path) == [path.name]
    async with site.database.snapshot() as connection:
        (entry,) = (await connection.execute(select(audit_entries.c.action, audit_entries.c.after))).all()
    assert entry.action == "year_archived"
    sha256 = digest_of_manifest(manifest)
    assert json.loads(entry.after) == {"year": 2024, "records": 1, "changes": 1, "sha256": sha256}


async def test_an_archive_replaces_no_file_and_needs_a_folder(site: Site, tmp_path: Path) -> None:
    await archived(site, tmp_path)
    with pytest.raises(ArchiveRefused, match="exists already"):
        await archived(site, tmp_path)
    with pytest.raises(ArchiveRefused, match="no folder"):
        await archived(site, tmp_path / "missing")


async def test_an_archive_that_cannot_be_written_leaves_no_file(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("adsum.privacy.years.archives.write_archive", full)
    with pytest.raises(ArchiveRefused, match="No space left"):
        await archived(site, tmp_path)
    assert names_in(tmp_path) == []


async def test_an_archive_that_reads_differently_is_not_published(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unlike(_: Path) -> None:
        return None

    monkeypatch.setattr("adsum.privacy.years.archives.read_archive", unlike)
    with pytest.raises(ArchiveRefused, match="not written correctly"):
        await archived(site, tmp_path)
    assert names_in(tmp_path) == []


def changed(path: Path, change: Callable[[str, bytes], tuple[str, bytes] | None], extra: str | None = None) -> Path:
    """A copy of an archive with other members."""
    copy = path.with_name("changed.tar")
    with tarfile.open(path) as old, tarfile.open(copy, "w") as new:
        for member in old:
            file = old.extractfile(member)
            assert file is not None
            found = change(member.name, file.read())
            if found is not None:
                member.name, content = found
                member.size = len(content)
                new.addfile(member, io.BytesIO(content))
        if extra is not None:
            new.addfile(tarfile.TarInfo(extra))
    return copy


def fewer_rows(name: str, content: bytes) -> tuple[str, bytes]:
    return name, gzip.compress(b"") if name == "attendances.jsonl.gz" else content


def with_manifest(old: str, new: str) -> Callable[[str, bytes], tuple[str, bytes]]:
    def change(name: str, content: bytes) -> tuple[str, bytes]:
        return name, content.replace(old.encode(), new.encode()) if name == files.MANIFEST else content

    return change


def unchanged(name: str, content: bytes) -> tuple[str, bytes]:
    return name, content


def without(missing: str) -> Callable[[str, bytes], tuple[str, bytes] | None]:
    return lambda name, content: None if name == missing else (name, content)


@pytest.mark.parametrize(
    ("change", "extra", "message"),
    [
        (fewer_rows, None, "differs from the checksum"),
        (without("students.jsonl.gz"), None, "differs from the checksum"),
        (without(files.MANIFEST), None, "not an archive"),
        (with_manifest('"format": 1', '"format": 2'), None, "newer version"),
        (with_manifest("students.jsonl.gz", "../students"), None, "not an archive"),
        (with_manifest('"rows": 1', '"rows": 2'), None, "differs from the checksum"),
        (unchanged, "more.txt", "more than its manifest lists"),
    ],
)
async def test_a_changed_archive_is_refused(
    sqlite_url: str, tmp_path: Path, change: Any, extra: str | None, message: str
) -> None:
    database = open_database(sqlite_url)
    await archived(await site_on(database), tmp_path)
    await database.close()

    with pytest.raises(ArchiveRefused, match=message):
        read_archive(changed(tmp_path / "2024.tar", change, extra))


def test_other_files_are_no_archives(tmp_path: Path) -> None:
    other = tmp_path / "notes.tar"
    other.write_text("notes", encoding="utf-8")
    with pytest.raises(ArchiveRefused, match="not an archive"):
        read_archive(other)
    with pytest.raises(ArchiveRefused, match="cannot be read"):
        read_archive(tmp_path / "missing.tar")
    with tarfile.open(other, "w") as tar:
        folder = tarfile.TarInfo(files.MANIFEST)
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
    with pytest.raises(ArchiveRefused, match="not an archive"):
        read_archive(other)


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


def others_are_free(database: Database, school_id: int) -> Awaitable[None]:
    """Returns if no transaction has locked any other school."""

    async def lock() -> None:
        async with database.transaction() as connection:
            others = select(schools.c.id).where(schools.c.id != school_id)
            await connection.execute(others.with_for_update(nowait=True, key_share=True))

    return lock()


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


async def test_a_drop_waits_for_no_transaction_for_long(
    partitioned: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = await site_on(partitioned)
    manifest = await archived(site, tmp_path)
    monkeypatch.setattr(table_changes, "LOCK_TIMEOUT_MS", 20)
    monkeypatch.setattr(table_changes, "LOCK_PATIENCE_S", -1.0)

    async with partitioned.transaction() as reader:
        await reader.execute(text("SELECT 1 FROM attendances"))
        with pytest.raises(LockTimeout):
            await site.archives.drop(manifest, OFFICE)

    assert await site.count(attendances) == 2
    assert await site.count(audit_entries, audit_entries.c.action == "year_dropped") == 0


async def keep_one_year(site: Site) -> RetentionRuns:
    retention = Retention(site.database, lambda: NOW)
    periods = Periods(records=1)
    preview = await retention.preview(None, periods, OFFICE)
    await retention.set(None, periods, OFFICE, preview.confirmation)
    return RetentionRuns(site.database, lambda: NOW)


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


async def test_retention_deletes_pages_of_a_year_with_a_student_on_hold(partitioned: Database) -> None:
    site = await site_on(partitioned)
    await StudentHolds(partitioned, lambda: NOW).place(site.school.student_ids[0], HoldReason.LITIGATION, None, OFFICE)
    runs = await keep_one_year(site)

    await runs.delete_all()

    assert "attendances_2024" in await site.partitions()
    assert await site.count(attendances) == 2
    async with partitioned.transaction() as connection:
        assert await connection.scalar(select(func.count()).select_from(batch_runs)) == 0


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
    async with partitioned.transaction() as connection:
        for statement in (
            f"CREATE ROLE {SERVING} LOGIN",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {SERVING}",
            f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {SERVING}",
        ):
            await connection.exec_driver_sql(statement)
    url = make_url(postgres.url(NAME)).set(username=SERVING)
    serving = open_database(url.render_as_string(hide_password=False))
    try:
        runs = RetentionRuns(serving, lambda: NOW)
        with caplog.at_level(logging.INFO):
            await runs.delete_all()
            await runs.delete_all()
    finally:
        await serving.close()
        async with partitioned.transaction() as connection:
            await connection.exec_driver_sql(f"DROP OWNED BY {SERVING}")
            await connection.exec_driver_sql(f"DROP ROLE {SERVING}")

    assert "attendances_2024" in await site.partitions()
    assert await site.count(attendances) == 1
    assert await site.records_from() == date(2025, 8, 1)
    assert len([each for each in caplog.records if each.msg.startswith("records are deleted in pages")]) == 1


def test_a_year_is_archived_checked_and_dropped_by_commands(demo: Commands, tmp_path: Path) -> None:
    path = str(tmp_path / "2020.tar")

    refused = demo.run("year", "archive", "2020", path, "--drop")
    assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
    made = json.loads(demo.output("year", "archive", "2020", path, "--drop", "--yes", "--json"))
    assert (made["year"], made["firstDay"], made["lastDay"], made["records"]) == (2020, "2020-08-01", "2021-07-31", 0)

    assert json.loads(demo.output("year", "verify", path, "--json")) == made
    assert json.loads(demo.output("year", "drop", path, "--yes", "--json")) == made
    (tmp_path / "2020.tar").write_bytes(b"")
    damaged = demo.run("year", "verify", path)
    assert (damaged.returncode, damaged.stderr.count("\n")) == (1, 1)


def test_equal_rows_make_equal_files(tmp_path: Path) -> None:
    digests = set[str]()
    for name in ("a", "b"):
        with files.RowsFile(tmp_path, name) as file:
            file.write([{"day": date(2024, 12, 25), "note": None}])
        assert file.described()[:1] == (1,)
        digests.add(hashlib.sha256((tmp_path / f"{name}{files.ENDING}").read_bytes()).hexdigest())
    assert len(digests) == 1
    with pytest.raises(TypeError), files.RowsFile(tmp_path, "c") as file:
        file.write([{"day": {1}}])
