"""Imports OneRoster files in one transaction."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.platform.clock import Clock
from adsum.platform.database.answers import KeyedRequest, claim_key, store_result
from adsum.platform.database.engine import Connection, Database
from adsum.platform.database.new_events import EventType, NewEvent, write_events
from adsum.platform.errors import Invalid, Violation, refuse
from adsum.platform.files.file_violations import file_violation
from adsum.platform.telemetry import logger
from adsum.platform.time_zones import validate_time_zone
from adsum.roster.importing.repository.staging import begin_staging, end_staging
from adsum.roster.importing.roster_mapping.schools import TimeZone
from adsum.roster.importing.rules import (
    NO_OPTIONS,
    ChangedStudents,
    Findings,
    ImportOptions,
    ImportReport,
    Removal,
    StudentChange,
    TableReport,
    in_order,
)
from adsum.roster.importing.steps import ReportProgress, RosterSteps
from adsum.roster.oneroster.files import RosterFiles
from adsum.roster.oneroster.package import USED, Package, read_package

WarningsOfTransfers: TypeAlias = Callable[[Connection], Awaitable[Sequence[Violation]]]

log = logger(__name__)


class ImportRefused(Invalid):
    """Nothing was imported: there are violations in `strict` mode, or too many rows would end."""

    code = "import_refused"


class RosterImport:
    """Imports OneRoster files.

    Args:
        database: where the roster is.
        time_zone: the default for new schools; None: nobody has set one.
        now: the clock.
        warnings_of_transfers: warns of what stays at the schools that students leave, before the commit.
    """

    def __init__(
        self,
        database: Database,
        time_zone: str | None,
        now: Clock,
        warnings_of_transfers: WarningsOfTransfers,
    ) -> None:
        self._database = database
        self._time_zone = time_zone
        self._now = now
        self._warnings_of_transfers = warnings_of_transfers

    async def run(
        self,
        files: RosterFiles,
        *,
        caller: Caller,
        options: ImportOptions = NO_OPTIONS,
        progress: ReportProgress | None = None,
        keyed: KeyedRequest[ImportReport] | None = None,
    ) -> ImportReport:
        """Makes the roster equal to the files. Invalid rows, and rows that depend on them, are left out and reported.

        Args:
            files: from `roster_files`; read more than once and not stored.
            caller: with `roster:import`; imports only the schools that they see.
            options: see `ImportOptions`.
            progress: see `ReportProgress`.
            keyed: a request with an idempotency key, unless it is a dry run.

        Raises:
            UnreadableRoster: a file or column is missing or damaged, or the files are not OneRoster.
            Forbidden: the caller may not import, or does not see all of these schools.
            Invalid: an unknown time zone.
            ImportRefused: with every violation.
        """
        self._require(caller, options)
        package = await asyncio.to_thread(read_package, files, options.max_lines)
        origin = {} if options.dry_run else {"sha256": await asyncio.to_thread(_digests, files)}
        return await self.run_package(
            package, caller=caller, options=options, progress=progress, keyed=keyed, origin=origin
        )

    async def run_package(
        self,
        package: Package,
        *,
        caller: Caller,
        origin: Mapping[str, Any],
        options: ImportOptions = NO_OPTIONS,
        progress: ReportProgress | None = None,
        keyed: KeyedRequest[ImportReport] | None = None,
        confirm: Callable[[Connection, ImportReport], Awaitable[None]] | None = None,
    ) -> ImportReport:
        """As `run`, of a roster that has been read.

        Args:
            package: read more than once.
            origin: for the audit log.
            confirm: the last step of the transaction; an error rolls it back. Not called in a dry run.
        """
        self._require(caller, options)
        try:
            async with self._database.transaction() as connection:
                await claim_key(connection, keyed)
                await begin_staging(connection)
                steps = RosterSteps(connection, package, caller, self._now(), progress, compares=options.dry_run)
                tables = await steps.run(TimeZone(options.time_zone, self._time_zone), options.valid_from)
                steps.findings.warn(*await self._warnings_of_transfers(connection))
                removals = [] if options.allow_removals else _validate_removals(steps.removals)
                students = await steps.changed_students(options.max_students)
                report = _report(package, options, tables, steps.findings, removals, students)
                _roll_back_or_refuse(report, removals)
                await steps.finish()
                await end_staging(connection)
                if confirm is not None:
                    await confirm(connection, report)
                after = {**_counts(report), **origin}
                await record(connection, caller, Action.ROSTER_IMPORTED, school_id=_only_school(caller), after=after)
                await write_events(connection, [_imported(report, _only_school(caller))], self._now())
                await store_result(connection, keyed, report)
        except _DryRunRollback as rollback:
            return rollback.report
        log.info("roster imported", actor=caller.actor, **_counts(report))
        return report

    def _require(self, caller: Caller, options: ImportOptions) -> None:
        require_permission(caller, Permission.ROSTER_IMPORT)
        if options.time_zone is not None:
            refuse(list(validate_time_zone(options.time_zone, "/query/timezone")))


def _imported(report: ImportReport, school_id: int | None) -> NewEvent:
    return NewEvent(EventType.ROSTER_IMPORTED, school_id, _counts(report))


def _counts(report: ImportReport) -> dict[str, Any]:
    tables = report.tables.values()
    return {
        "added": sum(table.added for table in tables),
        "changed": sum(table.changed for table in tables),
        "ended": sum(table.ended for table in tables),
        "unchanged": sum(table.unchanged for table in tables),
        "failed": report.violation_count,
    }


def _digests(files: RosterFiles) -> dict[str, str]:
    """The SHA-256 of each file that OneRoster names. Other names may be anything."""
    digests: dict[str, str] = {}
    for name in sorted(files.keys() & {f"{name}.csv" for name in USED}):
        with files[name].open() as file:
            digests[name] = hashlib.file_digest(file, "sha256").hexdigest()  # pyright: ignore[reportArgumentType]
    return digests


def _only_school(caller: Caller) -> int | None:
    return next(iter(caller.schools)) if caller.schools is not None and len(caller.schools) == 1 else None


class _DryRunRollback(Exception):
    """Rolls back the transaction of a dry run, and carries its report."""

    def __init__(self, report: ImportReport) -> None:
        super().__init__()
        self.report = report


def _report(
    package: Package,
    options: ImportOptions,
    tables: Mapping[str, TableReport],
    findings: Findings,
    removals: Sequence[Violation],
    students: Mapping[StudentChange, ChangedStudents],
) -> ImportReport:
    return ImportReport(
        dry_run=options.dry_run,
        refused=bool(removals) or (options.strict and findings.violation_count > 0),
        tables=tables,
        ignored=dict(sorted(findings.ignored.items())),
        ignored_files=package.ignored_files,
        violations=(*removals, *in_order(findings.violations)),
        violation_count=len(removals) + findings.violation_count,
        warnings=in_order(findings.warnings),
        warning_count=findings.warning_count,
        students=students,
    )


def _roll_back_or_refuse(report: ImportReport, removals: Sequence[Violation]) -> None:
    if report.dry_run:
        raise _DryRunRollback(report)
    if report.refused and removals:
        raise ImportRefused("nothing was imported: too many rows would end", report.violations)
    if report.refused:
        raise ImportRefused(
            "nothing was imported: the files have violations, and the import is strict", report.violations
        )


def _validate_removals(removals: Sequence[Removal]) -> list[Violation]:
    return [
        file_violation(
            "too_many_removals",
            removal.file,
            f"{removal.ended} of {removal.active} active {removal.table} would end; "
            f"more than {removal.allowed_percent} % end only if that is allowed",
            table=removal.table,
            ended=removal.ended,
            active=removal.active,
        )
        for removal in removals
        if removal.is_excessive
    ]
