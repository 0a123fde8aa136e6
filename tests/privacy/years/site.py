"""A school with a past and a present year, whose past year is archived and dropped."""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Table, func, insert, select

from adsum.accounts.access import system_caller
from adsum.attendance.repository import apply_changes
from adsum.attendance.rules import RecordChange
from adsum.attendance.tables import contradictions
from adsum.platform.database.engine import Database
from adsum.platform.ids import Batch
from adsum.privacy.retention.repository.partitions import partitions_of_records
from adsum.privacy.retention.rules import Periods
from adsum.privacy.retention.service import Retention, RetentionRuns
from adsum.privacy.years.archive import read_archive
from adsum.privacy.years.archives import YearArchives
from adsum.privacy.years.rules import YearManifest
from adsum.schools.tables import schools
from tests.support.schools import SchoolIds, make_record, make_school

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
OFFICE = system_caller()
OF_YEAR, LATER = date(2024, 12, 25), date(2025, 9, 1)
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


def others_are_free(database: Database, school_id: int) -> Awaitable[None]:
    """Returns if no transaction has locked any other school."""

    async def lock() -> None:
        async with database.transaction() as connection:
            others = select(schools.c.id).where(schools.c.id != school_id)
            await connection.execute(others.with_for_update(nowait=True, key_share=True))

    return lock()


async def keep_one_year(site: Site) -> RetentionRuns:
    retention = Retention(site.database, lambda: NOW)
    periods = Periods(records=1)
    preview = await retention.preview(None, periods, OFFICE)
    await retention.set(None, periods, OFFICE, preview.confirmation)
    return RetentionRuns(site.database, lambda: NOW)
