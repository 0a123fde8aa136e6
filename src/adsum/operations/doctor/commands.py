"""`adsum doctor`: checks the installation and shows the command that repairs each fault."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adsum.operations.doctor.findings import Finding, Severity, counted, has_no_error
from adsum.operations.doctor.service import CheckReport, Doctor
from adsum.operations.schemas import DoctorReport, FindingItem
from adsum.platform.command_line.output import Json, show_item, show_text
from adsum.platform.command_line.progress import waiting
from adsum.platform.command_line.session import run_with_doctor
from adsum.platform.errors import Unavailable
from adsum.platform.texts import on_one_line

SIGNS = {
    Severity.OK: ("✓", "green"),
    Severity.WARNING: ("!", "yellow"),
    Severity.ERROR: ("✗", "red"),
}


def doctor(
    *,
    fix: Annotated[bool, typer.Option("--fix", help="Repair what is safe to repair, then check again.")] = False,
    as_json: Json = False,
) -> None:
    """Check the database, Valkey or Redis, the workers and every open batch. Exits with 1 if there is an error."""

    async def work(doctor: Doctor) -> tuple[CheckReport, list[str]]:
        return await _check(doctor, fix=fix)

    with waiting("Checking everything"):
        report, repairs = run_with_doctor(Doctor, work)
    if as_json:
        findings = [FindingItem.model_validate(each) for each in report.findings]
        show_item(DoctorReport(mended=repairs, findings=findings, not_looked_at=report.skipped), as_json=True)
    elif sys.stdout.isatty():
        _show_table(report, repairs)
    else:
        _show_lines(report, repairs)
    if not has_no_error(report.findings):
        raise typer.Exit(1)


async def _check(doctor: Doctor, *, fix: bool) -> tuple[CheckReport, list[str]]:
    report = await doctor.check()
    if not fix:
        return report, []
    try:
        repairs = await doctor.repair(report)
    except Unavailable:
        repairs = []  # the second check reports the cause
    return await doctor.check(), repairs


def _show_table(report: CheckReport, repairs: Sequence[str]) -> None:
    """For a terminal: a sign and the name of the check, with the remedy below the message."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")  # a command that is cut short cannot be copied
    for finding in report.findings:
        sign, style = SIGNS[finding.severity]
        message = Text(on_one_line(finding.message), style="" if finding.severity is Severity.OK else style)
        if finding.remedy is not None:
            message.append(f"\n→ {on_one_line(finding.remedy)}", style="bold default")
        table.add_row(Text(sign, style=f"bold {style}"), Text(_titled(finding.check)), message)
    console = Console(highlight=False)
    console.print(table)
    console.print()
    for repair in repairs:
        console.print(Text(f"✓ {on_one_line(repair)}", style="green"))
    for line in _skipped(report):
        console.print(Text(on_one_line(line)))
    worst = max((list(Severity).index(each.severity) for each in report.findings), default=0)
    console.print(Text(_summary(report.findings), style=f"bold {SIGNS[list(Severity)[worst]][1]}"))


def _show_lines(report: CheckReport, repairs: Sequence[str]) -> None:
    """For a file or a pipe: one line for each finding."""
    for finding in report.findings:
        remedy = f"  ->  {finding.remedy}" if finding.remedy is not None else ""
        show_text(f"{finding.severity.value:<7}  {finding.check:<15}  {finding.message}{remedy}")
    for repair in repairs:
        show_text(f"repaired {repair}")
    for line in _skipped(report):
        show_text(line)
    show_text(_summary(report.findings))


def _skipped(report: CheckReport) -> list[str]:
    return [f"Not checked: {', '.join(report.skipped)}."] if report.skipped else []


def _summary(findings: Sequence[Finding]) -> str:
    errors = sum(each.severity is Severity.ERROR for each in findings)
    warnings = sum(each.severity is Severity.WARNING for each in findings)
    if not errors + warnings:
        return f"All {len(findings)} checks passed."
    repairable = sum(each.is_repairable for each in findings)
    counts = f"{counted(errors, 'error')}, {counted(warnings, 'warning')}."
    return f"{counts} `adsum doctor --fix` repairs {repairable} of them." if repairable else counts


def _titled(check: str) -> str:
    return check[0].upper() + check[1:]
