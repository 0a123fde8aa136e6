"""`adsum roster import`: imports OneRoster files and prints the report."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Annotated, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from adsum.accounts.access import system_caller
from adsum.platform.command_line.notices import show_notice
from adsum.platform.command_line.options import read_day, time_zone_given
from adsum.platform.command_line.output import Json, show_item, show_one, show_rows, show_text
from adsum.platform.command_line.session import run_with
from adsum.platform.errors import AdsumError, Forbidden, Invalid, Malformed, Violation
from adsum.platform.texts import on_one_line
from adsum.roster.importing.rules import (
    ChangedStudent,
    ChangedStudents,
    ClassChange,
    ImportOptions,
    ImportReport,
    StudentChange,
)
from adsum.roster.importing.schemas import ImportAnswer, ImportEntry
from adsum.roster.importing.service import RosterImport
from adsum.roster.oneroster.files import roster_files

MAX_LINES = 50
MAX_STUDENTS = 20
MAX_CLASSES = 4
PROGRESS_AFTER_S = 1.0

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the changes without making them.")]
Strict = Annotated[bool, typer.Option("--strict", help="Import nothing if any row is invalid.")]
AllowRemovals = Annotated[
    bool,
    typer.Option(
        "--allow-removals",
        help="Allow more than 10 % of students, classes or enrolments to end, and most teachers or contacts to leave.",
    ),
]
TimeZone = Annotated[
    str | None,
    typer.Option(
        parser=time_zone_given,
        metavar="ZONE",
        help="The time zone of new schools, such as Europe/Berlin. [default: ADSUM_TIMEZONE; unset: UTC, with a "
        "warning]",
    ),
]
ValidFrom = Annotated[
    date | None,
    typer.Option(
        "--valid-from",
        parser=read_day,
        metavar="DATE",
        help="The day on which sessions begin and end that the files add or lack. Default: today.",
    ),
]

app = typer.Typer(no_args_is_help=True)


@app.callback()
def roster() -> None:
    """Import schools, classes and students from OneRoster files or a service."""


@app.command("import")
def import_roster(
    path: Annotated[Path, typer.Argument(exists=True, readable=True, metavar="PATH", help="A folder or a zip file.")],
    *,
    dry_run: DryRun = False,
    strict: Strict = False,
    allow_removals: AllowRemovals = False,
    timezone: TimeZone = None,
    valid_from: ValidFrom = None,
    as_json: Json = False,
) -> None:
    """Import OneRoster 1.1 or 1.2 CSV files. Exits with 1 if rows were left out or the import was refused."""

    async def run(roster_import: RosterImport) -> ImportReport:
        with roster_files(path) as files, ImportProgress() as progress:
            options = ImportOptions(
                dry_run=dry_run, strict=strict, allow_removals=allow_removals, time_zone=timezone, valid_from=valid_from
            )
            return await roster_import.run(files, caller=system_caller(), options=options, progress=progress.show)

    try:
        report = run_with(RosterImport, run)
    except (Malformed, Invalid, Forbidden) as error:
        show_refusal(error, as_json=as_json, path=path)
        sys.exit(1)
    show_report(report, as_json=as_json)
    if report.violation_count:
        sys.exit(1)


def show_report(report: ImportReport, *, as_json: bool) -> None:
    """Prints the whole report as JSON, or a table, a summary line, and the first violations."""
    if as_json:
        show_item(ImportAnswer.of(report), as_json=True)
        return
    rows = [
        {"table": name, "added": table.added, "changed": table.changed, "ended": table.ended, "same": table.unchanged}
        for name, table in report.tables.items()
    ]
    show_rows(("table", "added", "changed", "ended", "same"), rows, as_json=False)
    show_text(_summary(report))
    for change, changed in report.students.items():
        _show_students(change, changed)
    for what, count in report.ignored.items():
        show_text(f"Ignored: {what}, {count} rows")
    if report.ignored_files:
        show_text(f"Not read: {', '.join(report.ignored_files)}")
    _show_violations("warning", report.warnings, report.warning_count)
    _show_violations("error", report.violations, report.violation_count)


def show_refusal(error: AdsumError, *, as_json: bool, path: Path | None = None) -> None:
    """Prints why an import was refused, of files with their path."""
    if as_json:
        violations = [
            ImportEntry.model_validate(violation).model_dump(mode="json", by_alias=True)
            for violation in error.violations
        ]
        show_one({"code": error.code, "detail": error.detail, "errors": violations}, as_json=True)
        return
    show_notice(error.detail if path is None else f"{path}: {error.detail}")
    more = [each for each in error.violations if each.pointer or each.detail != error.detail]
    _show_violations("error", more, len(more))


def _summary(report: ImportReport) -> str:
    if report.refused:
        return "A dry run. Without --dry-run nothing would be imported, for the reasons below."
    if report.changes_nothing:
        return "Nothing changes: the roster is up to date." if not report.violation_count else "Nothing changes."
    if report.dry_run:
        return "A dry run: these are the changes; nothing was changed."
    return "Imported."


def _show_students(change: StudentChange, changed: ChangedStudents) -> None:
    """Prints the first students who join, leave or move, such as `Ada Byron (s-1): joins 7b from 2026-11-26`."""
    if not changed.count:
        return
    verb = change.value if changed.count == 1 else change.value.removesuffix("s")
    show_text(f"{changed.count:,} {'student' if changed.count == 1 else 'students'} {verb}:")
    for student in changed.students[:MAX_STUDENTS]:
        show_text(f"  {student_line(student)}")
    if changed.count > MAX_STUDENTS:
        show_text(f"  and {changed.count - MAX_STUDENTS:,} more: see --json")


def student_line(student: ChangedStudent) -> str:
    """The student with their classes, and with the schools of the classes if there are several."""
    named = f"{student.given_name} {student.family_name}".strip()
    source = f" ({student.source_id})" if student.source_id else ""
    schools = {change.school for change in (*student.joined, *student.left)}
    classes = [
        f"{verb} {_classes_text(changes, with_schools=len(schools) > 1)}"
        for verb, changes in (("joins", student.joined), ("leaves", student.left))
        if changes
    ]
    return f"{named}{source}{': ' if classes else ''}{', '.join(classes)}"


def _classes_text(changes: Sequence[ClassChange], *, with_schools: bool) -> str:
    shown = [
        f"{change.title}{f' ({change.school})' if with_schools else ''}{f' on {change.day}' if change.day else ''}"
        for change in changes[:MAX_CLASSES]
    ]
    more = f" and {len(changes) - MAX_CLASSES} more" if len(changes) > MAX_CLASSES else ""
    return ", ".join(shown) + more


def _show_violations(kind: str, violations: Sequence[Violation], count: int) -> None:
    """Prints each violation as `enrollments.csv:17: …`, like a compiler."""
    if not violations:
        return
    shown = violations[:MAX_LINES] if sys.stdout.isatty() else violations
    show_text(f"{count} {kind if count == 1 else f'{kind}s'}:")
    for violation in shown:
        show_text(f"  {violation.pointer}: {violation.detail}" if violation.pointer else f"  {violation.detail}")
    if count > len(shown):
        show_text(f"  and {count - len(shown):,} more: see --json")


class ImportProgress:
    """Shows the progress of an import on stderr once it takes over a second.

    On a terminal it is a bar; elsewhere the name of each file, once.
    """

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=32),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            redirect_stdout=False,
        )
        self._task = self._bar.add_task("", total=None)
        self._started_at = time.monotonic()
        self._is_shown = False
        self._last_name = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self._is_shown:
            self._bar.stop()

    def show(self, name: str, done: int, total: int) -> None:
        """The progress callback of an import: `done` of `total` units of a file or table."""
        if time.monotonic() - self._started_at < PROGRESS_AFTER_S:
            return
        name = on_one_line(name)
        if not self._console.is_terminal:
            self._print_name(name)
            return
        if not self._is_shown:
            self._bar.start()
            self._is_shown = True
        self._bar.update(self._task, description=f"{name:<16}", completed=done, total=total)

    def _print_name(self, name: str) -> None:
        if name != self._last_name:
            self._last_name = name
            self._console.print(name)
