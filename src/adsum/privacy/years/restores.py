"""Puts the records of an archive back into the database from which they were dropped."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from adsum.accounts.access import Caller
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.database.partitions import lacks_year, make_of_year
from adsum.platform.database.revision import newest_revision
from adsum.platform.database.table_changes import allow_idle
from adsum.platform.errors import Violation
from adsum.platform.telemetry import logger
from adsum.privacy.retention.repository import partitions
from adsum.privacy.retention.repository.periods import periods_of_schools
from adsum.privacy.retention.rules import Kind
from adsum.privacy.years.archive import digest_of_manifest, read_archive, rows_in
from adsum.privacy.years.archives import details_of
from adsum.privacy.years.repository import archived, restored
from adsum.privacy.years.repository.restored import RESTORED, Conflicts, place_of
from adsum.privacy.years.restored_rows import Present, RecordPage, Row, disputed_pages, record_pages
from adsum.privacy.years.rules import RestoredYear, YearManifest, YearNotRestored
from adsum.privacy.years.service import not_owned, require_all_schools
from adsum.schools.locks import lock_school
from adsum.schools.stale_days import mark_stale_days

LISTED = 3
_OTHER_SCHEMA = "other_schema"
_AGAIN = "students were erased or merged, or records deleted, meanwhile: run the command again"

log = logger(__name__)


@dataclass(slots=True)
class _Plan:
    """The schools whose year is put back, and the rows that exist of those that the archive names."""

    path: Path
    manifest: YearManifest
    closed: frozenset[int]
    present: Present
    expected: Counter[int] = field(default_factory=Counter[int])

    def pages(self) -> Iterator[RecordPage]:
        return record_pages(self.path, self.closed.__contains__, self.present)

    def disputed_pages(self) -> Iterator[Sequence[Row]]:
        return disputed_pages(self.path, self.closed.__contains__, self.present)


class YearRestores:
    """Every method raises Forbidden without `student:data` and the rights of all schools."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def restore(self, path: Path, caller: Caller) -> RestoredYear:
        """Puts the records of an archive back, with their history, disputed marks and double records of merges.

        From then on the days of the year are marked, corrected and reported again. Records of students who were erased,
        or whom retention has deleted, stay deleted. A restore that was interrupted goes on; one that has ended is not
        repeated.

        Raises:
            ArchiveRefused: the file is no archive, or it is damaged.
            YearNotRestored: with everything that prevents it; or students were erased or merged meanwhile.
            ConfigurationError: the year needs a partition, and the user of the database does not own the tables.
            LockTimeout: a transaction used the tables each time, for minutes.
        """
        require_all_schools(caller)
        manifest = read_archive(path)
        plan = await self._plan(path, manifest)
        if plan is None:
            return RestoredYear(manifest, 0, 0)
        await self._make_partition(manifest)
        added = left_out = 0
        for page in plan.pages():
            added += await self._add(plan, page)
            left_out += page.left_out
        await self._add_others(plan)
        for school_id in sorted(plan.closed):
            await self._reopen(plan, school_id)
        async with self._database.transaction() as connection:
            after = details_of(manifest) | {"restored": added, "left_out": left_out}
            await record(connection, caller, Action.YEAR_RESTORED, after=after)
        log.info("year restored", first_day=manifest.first.isoformat(), rows=added)
        return RestoredYear(manifest, added, left_out)

    async def _plan(self, path: Path, manifest: YearManifest) -> _Plan | None:
        """Compares the archive with the database. None: it is restored already."""
        async with self._database.snapshot() as connection:
            await allow_idle(connection)
            last = await archived.last_action(connection, digest_of_manifest(manifest))
            if last is Action.YEAR_RESTORED:
                return None
            named = {name: {row["id"] for row in rows_in(path, name)} for name in archived.NAMED}
            _, periods = await periods_of_schools(connection, self._now())
            due = {each.id: each.cutoffs[Kind.RECORDS] for each in periods if Kind.RECORDS in each.cutoffs}
            notes = {each.id: each.cutoffs[Kind.NOTES] for each in periods if Kind.NOTES in each.cutoffs}
            present = await restored.present_of(connection, named["students"], manifest.first, manifest.end, notes)
            schools = {school_id: begin for school_id, _, begin in await archived.list_school_days(connection)}
            plan = _Plan(path, manifest, frozenset(_closed(manifest, schools, due)), present)
            found = [
                *_of_origin(path, manifest, is_dropped=last is Action.YEAR_DROPPED),
                *[each for name in named for each in await _missing(connection, name, named[name])],
                *_of_days(manifest, schools, due),
            ]
            # Rows with other columns cannot be compared.
            is_comparable = all(each.code != _OTHER_SCHEMA for each in found)
            found += _of_conflicts(await _conflicts(connection, plan) if is_comparable else Conflicts())
        if found:
            more = f", and {len(found) - 1} more" if len(found) > 1 else ""
            raise YearNotRestored(f"nothing was restored: {found[0].detail}{more}", found)
        return plan

    async def _make_partition(self, manifest: YearManifest) -> None:
        async with self._database.snapshot() as connection:
            present = await partitions.partitions_of_records(connection)
            is_owner = await partitions.owns_partitions(connection) if lacks_year(present, manifest.first) else None
        if is_owner is False:
            raise not_owned("adsum year restore")
        if is_owner:
            await make_of_year(self._database, partitions.TABLES, manifest.first)

    async def _add(self, plan: _Plan, page: RecordPage) -> int:
        """Inserts a page in a short transaction, and leaves as much time to others."""
        began = time.monotonic()
        async with self._database.transaction() as connection:
            # Erasing, merging and retention wait.
            await lock_school(connection, page.school_id)
            await _require_students(connection, {row["student_id"] for row in page.records})
            added = await restored.add_records(connection, page.records, page.changes)
        plan.expected[page.school_id] += len(page.records)
        await asyncio.sleep(time.monotonic() - began if added else 0)
        return added

    async def _add_others(self, plan: _Plan) -> None:
        """Inserts disputed marks, and double records, which are few."""
        for page in plan.disputed_pages():
            async with self._database.transaction() as connection:
                await _lock_schools(connection, page)
                await _require_students(connection, {row["student_id"] for row in page})
                await restored.add_disputed(connection, page)
        doubles = [row for row in rows_in(plan.path, "double_records") if row["school_id"] in plan.closed]
        async with self._database.transaction() as connection:
            await _lock_schools(connection, doubles)
            await restored.add_doubles(connection, doubles, plan.present)

    async def _reopen(self, plan: _Plan, school_id: int) -> None:
        """Opens the days of a school that has all its records, and lets reports summarise them."""
        first, end = plan.manifest.first, plan.manifest.end
        async with self._database.transaction() as connection:
            await lock_school(connection, school_id)
            if await partitions.count_of_school(connection, school_id, first, end) != plan.expected[school_id]:
                raise YearNotRestored(_AGAIN)
            await restored.reopen(connection, school_id, first)
            await mark_stale_days(connection, school_id, (first, end - timedelta(days=1)))


async def _lock_schools(connection: Connection, rows: Iterable[Row]) -> None:
    for school_id in sorted({row["school_id"] for row in rows}):
        await lock_school(connection, school_id)


async def _require_students(connection: Connection, student_ids: Collection[int]) -> None:
    if not await restored.lock_students(connection, student_ids):
        raise YearNotRestored(_AGAIN)


async def _missing(connection: Connection, name: str, ids: Collection[int]) -> list[Violation]:
    """The schools, classes or sessions that do not exist. Students who are gone are left out instead."""
    missing = [] if name == "students" else await restored.missing_of(connection, name, ids)
    return [_violation("missing", f"{name} that do not exist", missing)] if missing else []


async def _conflicts(connection: Connection, plan: _Plan) -> Conflicts:
    """The rows that exist and differ, and two of students who are one since."""
    found, of_records, of_disputed = Conflicts(), _Places(plan.present), _Places(plan.present)
    for page in plan.pages():
        await restored.find_conflicts(connection, page.records, page.changes, found)
        found.records.update(of_records.taken(page.records))
    for rows in plan.disputed_pages():
        await restored.find_disputed(connection, rows, found)
        found.disputed_marks.update(of_disputed.taken(rows))
    return found


class _Places:
    """The sessions and days of merged students: of all others an archive has one row each."""

    def __init__(self, present: Present) -> None:
        self._merged = {named for student_id, named in present.students.items() if named != student_id}
        self._taken = set[tuple[int, date, int]]()

    def taken(self, rows: Iterable[Row]) -> Iterator[int]:
        """The ids of rows whose place an earlier one has."""
        for row in rows:
            if row["student_id"] in self._merged:
                if place_of(row) in self._taken:
                    yield row["id"]
                self._taken.add(place_of(row))


def _closed(manifest: YearManifest, schools: Mapping[int, date | None], due: Mapping[int, date]) -> Iterator[int]:
    """The schools whose days are closed by the drop of the year; the others have them, or had none."""
    for school_id, begin in schools.items():
        if begin == manifest.end and due.get(school_id, date.min) <= manifest.first:
            yield school_id


def _of_origin(path: Path, manifest: YearManifest, *, is_dropped: bool) -> Iterator[Violation]:
    if not is_dropped:
        detail = (
            "the audit log has no drop of this archive: it is of another installation, its year was not dropped, or it "
            "was dropped with another archive"
        )
        yield Violation("not_dropped", detail)
    if manifest.schema is not None and manifest.schema > newest_revision():
        detail = f"the archive has schema {manifest.schema}, and this version {newest_revision()}: update Adsum"
        yield Violation(_OTHER_SCHEMA, detail)
        return
    for name, table in RESTORED.items():
        row = next(rows_in(path, name), dict[str, Any]())
        if unknown := sorted(set(row) - set(table.c.keys())):
            yield Violation(_OTHER_SCHEMA, f"{name} have columns that this version lacks: {', '.join(unknown)}")


def _of_days(
    manifest: YearManifest, schools: Mapping[int, date | None], due: Mapping[int, date]
) -> Iterator[Violation]:
    """Later years go back first, since the records of a school begin on one day. Retention would delete them again."""
    of_archive = set(manifest.totals) & set(schools)
    begins = {each: schools[each] or manifest.first for each in of_archive}
    if later := [each for each, begin in begins.items() if begin > manifest.first and begin != manifest.end]:
        yield _violation("later_years", "schools whose later years have to be restored first", later)
    if gone := [each for each in of_archive if due.get(each, date.min) > manifest.first]:
        detail = "schools whose retention period is over for records of the year, so that they would be deleted again"
        yield _violation("period_over", detail, gone)


def _of_conflicts(found: Conflicts) -> Iterator[Violation]:
    for what, ids in (
        ("records that exist and differ", found.records),
        ("records whose history exists and differs", found.changes),
        ("disputed marks that exist and differ", found.disputed_marks),
    ):
        if ids:
            yield _violation("exists", what, ids)


def _violation(code: str, what: str, ids: Iterable[int]) -> Violation:
    listed = sorted(ids)
    more = f" and {len(listed) - LISTED:,} more" if len(listed) > LISTED else ""
    return Violation(code, f"{what}: {', '.join(map(str, listed[:LISTED]))}{more}")
