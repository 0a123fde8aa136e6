"""Importing a roster from OneRoster files: read, placed among the schools, and set, in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

from adsum.accounts.access import Caller, Permission
from adsum.platform.database.engine import Database
from adsum.platform.errors import Forbidden, Invalid, Violation
from adsum.platform.telemetry import logger
from adsum.roster.importing.report import ImportReport
from adsum.roster.importing.staging import begin_staging, end_staging
from adsum.roster.importing.steps import Progress, Removal, RosterSteps
from adsum.roster.oneroster.files import RosterFiles
from adsum.roster.oneroster.package import read_package
from adsum.roster.oneroster.violations import file_violation

log = logger(__name__)

MOST_REMOVED = 10
"""Percent of the active students, classes or enrolments that a file may end without being told that it may."""


class ImportRefused(Invalid):
    """The files can be read and nothing was imported: `strict` and there are violations, or too much would end."""

    code = "import_refused"


class RosterImport:
    """Imports OneRoster files. `time_zone` is that of schools which are new."""

    def __init__(self, database: Database, time_zone: str, now: Callable[[], datetime]) -> None:
        self._database = database
        self._time_zone = time_zone
        self._now = now

    async def run(
        self,
        files: RosterFiles,
        *,
        caller: Caller,
        dry_run: bool = False,
        strict: bool = False,
        allow_removals: bool = False,
        time_zone: str | None = None,
        progress: Progress | None = None,
    ) -> ImportReport:
        """Sets the roster to what the files say; wrong rows and what depends on them are left out and listed.

        Args:
            files: from `adsum.roster.oneroster.files.roster_files`; read more than once, never kept.
            caller: has to have `roster:import`; one who is confined to schools imports only those.
            dry_run: changes nothing, and refuses nothing: the report says what would happen.
            strict: any violation refuses the whole import.
            allow_removals: lets more than 10 % of the active students, classes or enrolments end.
            time_zone: IANA name for schools that are new, instead of the default.
            progress: is told the file or table, how much of it is done, and how much there is.

        Raises:
            UnreadableRoster: a file or column is missing, damaged, or no OneRoster at all.
            Forbidden: the caller may not import, or not all of these schools.
            ImportRefused: strict, or too many removals; with every violation.
        """
        if not caller.may(Permission.ROSTER_IMPORT):
            raise Forbidden("importing a roster needs the permission roster:import")
        package = await asyncio.to_thread(read_package, files)
        try:
            async with self._database.transaction() as connection:
                await begin_staging(connection, is_postgres=self._database.is_postgres)
                steps = RosterSteps(connection, package, caller, self._now(), progress)
                tables = await steps.take(time_zone or self._time_zone)
                removals = [] if allow_removals else _too_many(steps.removals)
                report = ImportReport(
                    dry_run=dry_run,
                    refused=bool(removals) or (strict and steps.findings.violation_count > 0),
                    tables=tables,
                    ignored=dict(sorted(steps.findings.ignored.items())),
                    ignored_files=package.ignored_files,
                    violations=(*removals, *steps.findings.in_order()),
                    violation_count=len(removals) + steps.findings.violation_count,
                )
                _undo_or_refuse(report, removals)
                await end_staging(connection)
        except _Undone as undone:
            return undone.report
        _log_import(report, caller)
        return report


def _log_import(report: ImportReport, caller: Caller) -> None:
    tables = report.tables.values()
    log.info(
        "roster imported",
        actor=caller.actor,
        added=sum(table.added for table in tables),
        changed=sum(table.changed for table in tables),
        ended=sum(table.ended for table in tables),
        unchanged=sum(table.unchanged for table in tables),
        failed=report.violation_count,
    )


class _Undone(Exception):
    """Takes the report of a dry run out of the transaction, which is rolled back by it."""

    def __init__(self, report: ImportReport) -> None:
        super().__init__()
        self.report = report


def _undo_or_refuse(report: ImportReport, removals: Sequence[Violation]) -> None:
    if report.dry_run:
        raise _Undone(report)
    if report.refused and removals:
        raise ImportRefused("nothing was imported: too much would end", report.violations)
    if report.refused:
        raise ImportRefused(
            "nothing was imported: the files have violations, and the import is strict", report.violations
        )


def _too_many(removals: Sequence[Removal]) -> list[Violation]:
    return [
        file_violation(
            "too_many_removals",
            removal.file,
            f"{removal.ended} of {removal.active} active {removal.table} would end; "
            f"more than {MOST_REMOVED} % end only if that is allowed",
            table=removal.table,
            ended=removal.ended,
            active=removal.active,
        )
        for removal in removals
        if removal.ended * 100 > removal.active * MOST_REMOVED
    ]
