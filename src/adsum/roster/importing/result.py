"""What an import did, on stdout: a table of differences, and what is wrong, by file and row."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import typer

from adsum.platform.command_line.output import show_one, show_rows
from adsum.platform.errors import AdsumError, Violation
from adsum.roster.importing.report import ImportReport

SHOWN = 50


def show_report(report: ImportReport, *, as_json: bool) -> None:
    """All of it in JSON; else the table, one line that sums it up, and the first violations."""
    if as_json:
        show_one(report_row(report), as_json=True)
        return
    rows = [
        {"table": name, "added": table.added, "changed": table.changed, "ended": table.ended, "same": table.unchanged}
        for name, table in report.tables.items()
    ]
    show_rows(("table", "added", "changed", "ended", "same"), rows, as_json=False)
    typer.echo(_summary(report))
    for what, count in report.ignored.items():
        typer.echo(f"Ignored: {what}, {count} rows")
    if report.ignored_files:
        typer.echo(f"Not read: {', '.join(report.ignored_files)}")
    _show_violations(report.violations, report.violation_count)


def show_refusal(error: AdsumError, *, as_json: bool) -> None:
    """An import of which nothing was done."""
    if as_json:
        violations = [violation_row(violation) for violation in error.violations]
        show_one({"code": error.code, "detail": error.detail, "errors": violations}, as_json=True)
        return
    typer.echo(f"adsum: {error.detail}", err=True)
    _show_violations(error.violations, len(error.violations))


def report_row(report: ImportReport) -> dict[str, Any]:
    """The report under the names of the HTTP API."""
    return {
        "dryRun": report.dry_run,
        "refused": report.refused,
        "changesNothing": report.changes_nothing,
        "tables": {
            name: {
                "added": table.added,
                "changed": table.changed,
                "ended": table.ended,
                "unchanged": table.unchanged,
            }
            for name, table in report.tables.items()
        },
        "ignored": dict(report.ignored),
        "ignoredFiles": list(report.ignored_files),
        "errorCount": report.violation_count,
        "errors": [violation_row(violation) for violation in report.violations],
    }


def violation_row(violation: Violation) -> dict[str, Any]:
    """One wrong thing, as in a problem of the HTTP API."""
    return {
        "pointer": violation.pointer,
        "detail": violation.detail,
        "code": violation.code,
        "params": dict(violation.params),
    }


def _summary(report: ImportReport) -> str:
    if report.refused:
        return "A dry run. Without --dry-run nothing would be imported, for the reasons below."
    if report.changes_nothing:
        return (
            "Nothing changes: the roster is what the files say." if not report.violation_count else "Nothing changes."
        )
    if report.dry_run:
        return "A dry run: this would change, and nothing was changed."
    return "Imported."


def _show_violations(violations: Sequence[Violation], count: int) -> None:
    """Each as `enrollments.csv:17: …`, the form in which compilers name a line."""
    if not violations:
        return
    shown = violations[:SHOWN] if sys.stdout.isatty() else violations
    typer.echo(f"{count} {'error' if count == 1 else 'errors'}:")
    for violation in shown:
        typer.echo(f"  {violation.pointer}: {violation.detail}" if violation.pointer else f"  {violation.detail}")
    if count > len(shown):
        typer.echo(f"  and {count - len(shown):,} more: see --json")
