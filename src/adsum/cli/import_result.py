"""What an import did, on stdout: a table of differences, and what is wrong, by file and row."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import typer

from adsum.cli.output import show_one, show_rows
from adsum.errors import AdsumError, Flaw
from adsum.services.import_report import ImportReport

SHOWN = 50


def show_report(report: ImportReport, *, as_json: bool) -> None:
    """All of it in JSON; else the table, one line that sums it up, and the first flaws."""
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
    _show_flaws(report.flaws, report.flaw_count)


def show_refusal(error: AdsumError, *, as_json: bool) -> None:
    """An import of which nothing was done."""
    if as_json:
        flaws = [flaw_row(flaw) for flaw in error.flaws]
        show_one({"code": error.code, "detail": error.detail, "errors": flaws}, as_json=True)
        return
    typer.echo(f"adsum: {error.detail}", err=True)
    _show_flaws(error.flaws, len(error.flaws))


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
        "errorCount": report.flaw_count,
        "errors": [flaw_row(flaw) for flaw in report.flaws],
    }


def flaw_row(flaw: Flaw) -> dict[str, Any]:
    """One wrong thing, as in a problem of the HTTP API."""
    return {"pointer": flaw.pointer, "detail": flaw.detail, "code": flaw.code, "params": dict(flaw.params)}


def _summary(report: ImportReport) -> str:
    if report.refused:
        return "A dry run. Without --dry-run nothing would be imported, for the reasons below."
    if report.changes_nothing:
        return "Nothing changes: the roster is what the files say." if not report.flaw_count else "Nothing changes."
    if report.dry_run:
        return "A dry run: this would change, and nothing was changed."
    return "Imported."


def _show_flaws(flaws: Sequence[Flaw], count: int) -> None:
    """Each as `enrollments.csv:17: …`, the form in which compilers name a line."""
    if not flaws:
        return
    shown = flaws[:SHOWN] if sys.stdout.isatty() else flaws
    typer.echo(f"{count} {'error' if count == 1 else 'errors'}:")
    for flaw in shown:
        typer.echo(f"  {flaw.pointer}: {flaw.detail}" if flaw.pointer else f"  {flaw.detail}")
    if count > len(shown):
        typer.echo(f"  and {count - len(shown):,} more: see --json")
