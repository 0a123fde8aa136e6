"""Archives a school year in a file, and drops a year that is archived."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TypeAlias

from adsum import __version__
from adsum.accounts.access import Caller
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database, StorageOutage
from adsum.platform.database.partitions import next_year
from adsum.platform.database.revision import newest_revision
from adsum.platform.database.table_changes import between_others
from adsum.platform.days import today_in
from adsum.platform.embedded.archive import workspace_in
from adsum.platform.embedded.backup import publish
from adsum.platform.telemetry import logger
from adsum.privacy.retention.repository import partitions
from adsum.privacy.retention.repository.deletions import DELETIONS, Deletion
from adsum.privacy.retention.repository.periods import set_records_from
from adsum.privacy.retention.rules import Kind
from adsum.privacy.years import repository
from adsum.privacy.years.archive import (
    ENDING,
    RowsFile,
    digest_of_manifest,
    read_archive,
    require_new_file,
    write_archive,
)
from adsum.privacy.years.archived_rows import NAMES
from adsum.privacy.years.repository import NamedRows, SchoolDays, YearChanges
from adsum.privacy.years.rules import NOTHING, ArchiveRefused, YearKept, YearManifest
from adsum.privacy.years.service import first_month_of, not_owned, require_all_schools
from adsum.roster.session_fence import advance_fences
from adsum.schools.locks import lock_school

PAGE = 500
WORKSPACE = ".adsum-archive-"

Compared: TypeAlias = tuple[tuple[int, int] | None, YearChanges]
"""The first and the last id of the records of a year, and their changes."""

log = logger(__name__)


class _Written:
    """The files of an archive in a folder, and the ids of what their rows are about."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.files: dict[str, RowsFile] = {}
        self.ids: dict[str, set[int]] = {name: set() for name in repository.NAMED}

    def file(self, name: str) -> RowsFile:
        self.files[name] = RowsFile(self._folder, name)
        return self.files[name]

    def noted(self, rows: NamedRows) -> NamedRows:
        for name, column in NAMES.items():
            self.ids[name].update(row[column] for row in rows)
        return rows


class YearArchives:
    """Every method raises Forbidden without `student:data` and the rights of all schools."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def archive(self, year: int, target: Path, caller: Caller) -> YearManifest:
        """Writes the records of the school year that begins in `year`, with all that a drop deletes, and names.

        The file shows the data of one moment. It gets its name once all of it is on disk and was read back.

        Raises:
            ArchiveRefused: there is no such folder or a file of this name, or it cannot be written.
        """
        require_all_schools(caller)
        require_new_file(target)
        try:
            with workspace_in(target.parent, WORKSPACE) as folder:
                manifest = await self._write(year, folder)
                write_archive(folder / "archive", manifest, folder)
                await asyncio.sleep(0)  # here, and after the reading, a signal cancels the task: neither step yields
                if read_archive(folder / "archive") != manifest:
                    raise ArchiveRefused(f"{target} was not written correctly")
                await asyncio.sleep(0)
                publish(folder / "archive", target)
        except OSError as error:
            raise ArchiveRefused(f"{target} cannot be written: {error.strerror}") from error
        async with self._database.transaction() as connection:
            await record(connection, caller, Action.YEAR_ARCHIVED, after=_details(manifest))
        log.info("year archived", first_day=manifest.first.isoformat(), rows=manifest.records)
        return manifest

    async def _write(self, year: int, folder: Path) -> YearManifest:
        """Writes the files of an archive from one state of the database."""
        async with self._database.snapshot() as connection:
            first = date(year, await first_month_of(connection, self._now()), 1)
            schools = [school_id for school_id, _, _ in await repository.list_school_days(connection)]
            written = _Written(folder)
            with written.file("attendances") as records, written.file("attendance_changes") as changes:
                for school_id in schools:
                    for day in await repository.days_of(connection, school_id, first, next_year(first)):
                        records.write(written.noted(await repository.records_of_day(connection, school_id, day)))
                        changes.write(await repository.changes_of_day(connection, school_id, day))
            with written.file("disputed_marks") as disputed:
                rows = await repository.disputed_marks_of(connection, first, next_year(first))
                disputed.write(written.noted(rows))
            with written.file("double_records") as doubles:
                for school_id in schools:
                    rows = await repository.double_records_of(connection, school_id, first, next_year(first))
                    doubles.write(written.noted(rows))
            for name, ids in written.ids.items():
                with written.file(name) as names:
                    for page in _pages(sorted(ids)):
                        names.write(await repository.rows_with_names(connection, name, page))
            totals = {each: await repository.totals_of(connection, each, first, next_year(first)) for each in schools}
        files = {f"{name}{ENDING}": file.described() for name, file in written.files.items()}
        of_year = {school_id: each for school_id, each in totals.items() if each != NOTHING}
        return YearManifest(__version__, newest_revision(), self._now(), first, next_year(first), of_year, files)

    async def require_droppable(self, year: int, caller: Caller) -> None:
        """Raises what `drop` raises, whatever the archive has: it need not be written then."""
        require_all_schools(caller)
        async with self._database.snapshot() as connection:
            first = date(year, await first_month_of(connection, self._now()), 1)
            await _require_owner(connection, next_year(first))
            schools = await repository.list_school_days(connection)
            await self._require_droppable(connection, first, next_year(first), schools)

    async def drop(self, manifest: YearManifest, caller: Caller) -> int:
        """Deletes the records of the year of an archive, and what retention deletes with them. Returns the rows.

        From then on its days are neither marked nor corrected, and reports begin after them. An interrupted
        drop continues if the audit log has it. `manifest`: of an archive that `read_archive` has checked.

        Raises:
            YearKept: the year has not ended, an earlier year has records, a record of the year is of a student on
                hold, a batch of its days is being recorded, or the archive does not have the present records.
            ConfigurationError: the year has a partition, whose tables the user of the database does not own.
            LockTimeout: a transaction used the tables each time, for minutes.
        """
        require_all_schools(caller)

        compared = await self._end_year(manifest)
        schools = await self._begun(manifest, compared, caller)
        rows = manifest.records
        for school_id in schools:
            for deletion in DELETIONS[Kind.RECORDS]:
                while await self._delete_page(school_id, manifest.end, deletion):
                    pass
        await self._database.truncate_log()
        log.info("year dropped", first_day=manifest.first.isoformat(), rows=rows)
        return rows

    async def _begun(self, manifest: YearManifest, compared: Compared | None, caller: Caller) -> list[int]:
        """Drops the partition and records the drop, or finds that it has begun. Returns the ids of the schools."""

        async def drop_whole(connection: Connection) -> list[int]:
            return await self._drop_whole(connection, manifest, compared, caller)

        with _naming_closed_days(manifest, has_ended=compared is not None):
            if self._database.is_postgres:
                return await between_others(self._database, drop_whole)
            async with self._database.transaction() as connection:
                return await drop_whole(connection)

    async def _end_year(self, manifest: YearManifest) -> Compared | None:
        """Ends the year at each school that has the records of its archive. Nobody waits while others are compared.

        Returns the changes that all of them were compared with. None: the drop has begun.
        """
        async with self._database.snapshot() as connection:
            if await self._has_begun(connection, manifest):
                return None
            await _require_owner(connection, manifest.end)
            schools = await repository.list_school_days(connection)
            await self._require_droppable(connection, manifest.first, manifest.end, schools)
            # A refusal changes no school, except for one that has just changed: so each is compared twice.
            for school_id, _, _ in schools:
                await self._require_archived(connection, manifest, school_id)
        async with self._database.snapshot() as connection:
            ids = await repository.ids_of_days(connection, manifest.first, manifest.end)
            changes = await repository.changes_since(connection, manifest.first, manifest.end, ids)
        for index, (school_id, _, _) in enumerate(schools):
            with _naming_closed_days(manifest, has_ended=index > 0):
                await self._end_year_of(manifest, school_id)
        return ids, changes

    async def _end_year_of(self, manifest: YearManifest, school_id: int) -> None:
        async with self._database.transaction() as connection:
            await lock_school(connection, school_id)
            # A submission that has read an earlier first day waits, or is decided again.
            await advance_fences(connection, await repository.sessions_of(connection, school_id))
            await _require_no_open_runs(connection, manifest.end)
            await self._require_archived(connection, manifest, school_id)
            await set_records_from(connection, school_id, manifest.end)

    async def _drop_whole(
        self, connection: Connection, manifest: YearManifest, compared: Compared | None, caller: Caller
    ) -> list[int]:
        """Drops the partition of a year that has ended, if it has one. Returns the ids of the schools.

        It counts no records: all schools are locked. A transaction that has read the first day of its school before
        may have corrected one after the comparison, so it compares the changes.
        """
        schools = await repository.list_school_days(connection)
        for school_id, _, _ in schools:
            await lock_school(connection, school_id)
        ended = [each for each in schools if each[2] is not None and each[2] >= manifest.end]
        await self._require_droppable(connection, manifest.first, manifest.end, ended)
        if not await self._has_begun(connection, manifest):
            if len(ended) < len(schools):
                raise YearKept("a school was added while others were compared: run the command again")
            await repository.lock_records(connection)
            ids, changes = compared or (None, None)
            if await repository.changes_since(connection, manifest.first, manifest.end, ids) != changes:
                raise YearKept("a record of the year was changed while others were compared: make a new archive")
            await record(connection, caller, Action.YEAR_DROPPED, after=_details(manifest))
            for each in await partitions.partitions_of_records(connection):
                if each.end == manifest.end:
                    await partitions.drop_record_partitions(connection, each)
        # Without the schools that were added since it began: no archive has their records.
        return [school_id for school_id, _, _ in ended]

    async def _has_begun(self, connection: Connection, manifest: YearManifest) -> bool:
        return await repository.was_dropped(connection, digest_of_manifest(manifest))

    async def _require_archived(self, connection: Connection, manifest: YearManifest, school_id: int) -> None:
        totals = await repository.totals_of(connection, school_id, manifest.first, manifest.end)
        if totals != manifest.totals.get(school_id, NOTHING):
            raise YearKept(f"the records of school {school_id} have changed since the archive: make a new one")

    async def _require_droppable(
        self, connection: Connection, first: date, end: date, schools: Sequence[SchoolDays]
    ) -> None:
        if any(today_in(zone, self._now()) < end for _, zone, _ in schools):
            raise YearKept(f"the school year ends on {end.isoformat()}: it is dropped after that")
        for school_id, _, _ in schools:
            earliest = await repository.first_day(connection, school_id)
            if earliest is not None and earliest < first:
                raise YearKept(f"there are records of {earliest.isoformat()}: archive and drop earlier years first")
        if held := await partitions.count_records_on_hold(connection, None, end):
            raise YearKept(f"{held} records of the year are of students on hold: `adsum hold list`")
        await _require_no_open_runs(connection, end)

    async def _delete_page(self, school_id: int, end: date, deletion: Deletion) -> int:
        """Deletes a page in a short transaction, then pauses for as long, so that others can write."""
        began = time.monotonic()
        async with self._database.transaction() as connection:
            await lock_school(connection, school_id)
            rows = await deletion(connection, school_id, end, PAGE)
        await asyncio.sleep(time.monotonic() - began if rows else 0)
        return rows


@contextmanager
def _naming_closed_days(manifest: YearManifest, *, has_ended: bool) -> Generator[None]:
    """Says in an error that schools have ended the year, though it is not dropped. Another drop goes on with them."""
    try:
        yield
    except (YearKept, StorageOutage) as error:
        if not has_ended:
            raise
        closed = f"schools refuse marks of days before {manifest.end.isoformat()} already: drop the year again"
        raise type(error)(f"{error}; {closed}, with a new archive if records have changed") from error


async def _require_owner(connection: Connection, end: date) -> None:
    """Raises ConfigurationError: only the owner of tables may drop a partition."""
    has_own = any(each.end == end for each in await partitions.partitions_of_records(connection))
    if has_own and not await partitions.owns_partitions(connection):
        raise not_owned("adsum year drop")


async def _require_no_open_runs(connection: Connection, end: date) -> None:
    if runs := await partitions.count_open_runs(connection, end):
        raise YearKept(f"{runs} batches of these days are being recorded: try again when they have ended")


def _pages(ids: Sequence[int]) -> list[Sequence[int]]:
    return [ids[i : i + PAGE] for i in range(0, len(ids), PAGE)]


def _details(manifest: YearManifest) -> dict[str, int | str]:
    return {
        "year": manifest.first.year,
        "records": manifest.records,
        "changes": manifest.changes,
        "sha256": digest_of_manifest(manifest),
    }
