"""`adsum doctor`: what is wrong, and the command that mends it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from adsum.operations.doctor.findings import Finding, Severity, all_well, counted
from adsum.operations.doctor.service import Examination
from adsum.operations.doctor.wiring import open_doctor
from adsum.platform.command_line.output import Json, show_one
from adsum.platform.command_line.progress import waiting
from adsum.platform.command_line.session import quiet_settings
from adsum.platform.errors import Unavailable
from adsum.platform.settings import Settings

SIGNS = {
    Severity.OK: ("✓", "green"),
    Severity.WARNING: ("!", "yellow"),
    Severity.ERROR: ("✗", "red"),
}


def doctor(
    *,
    fix: Annotated[bool, typer.Option("--fix", help="Mend what is safe to mend, then look again.")] = False,
    as_json: Json = False,
) -> None:
    """Look at the database, Valkey or Redis, the workers and every open batch. Exit 1 where something is wrong."""
    settings = quiet_settings()
    with waiting("Looking at everything"):
        found, mended = asyncio.run(_examine(settings, fix=fix))
    if as_json:
        findings = [_row(each) for each in found.findings]
        show_one({"mended": mended, "findings": findings, "notLookedAt": found.not_looked_at}, as_json=True)
    elif sys.stdout.isatty():
        _show(found, mended)
    else:
        _show_plainly(found, mended)
    if not all_well(found.findings):
        raise typer.Exit(1)


async def _examine(settings: Settings, *, fix: bool) -> tuple[Examination, Sequence[str]]:
    async with open_doctor(settings) as doctor:
        found = await doctor.examine()
        if not fix:
            return found, []
        try:
            mended = await doctor.mend(found)
        except Unavailable:
            mended = []  # looking again says why
        return await doctor.examine(), mended


def _row(finding: Finding) -> dict[str, Any]:
    return {
        "check": finding.check,
        "severity": finding.severity.value,
        "message": finding.message,
        "remedy": finding.remedy,
        "isMendable": finding.is_mendable,
    }


def _show(found: Examination, mended: Sequence[str]) -> None:
    """At a terminal: a sign and a name in front, the remedy below what it mends."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")  # a command that is cut short cannot be copied
    for finding in found.findings:
        sign, style = SIGNS[finding.severity]
        said = Text(finding.message, style="" if finding.severity is Severity.OK else style)
        if finding.remedy is not None:
            said.append(f"\n→ {finding.remedy}", style="bold default")
        table.add_row(Text(sign, style=f"bold {style}"), Text(_titled(finding.check)), said)
    console = Console(highlight=False)
    console.print(table)
    console.print()
    for done in mended:
        console.print(Text(f"✓ {done}", style="green"))
    for line in _unanswered(found):
        console.print(Text(line))
    worst = max((list(Severity).index(each.severity) for each in found.findings), default=0)
    console.print(Text(_summary(found.findings), style=f"bold {SIGNS[list(Severity)[worst]][1]}"))


def _show_plainly(found: Examination, mended: Sequence[str]) -> None:
    """Elsewhere: a line each."""
    for finding in found.findings:
        remedy = f"  ->  {finding.remedy}" if finding.remedy is not None else ""
        typer.echo(f"{finding.severity.value:<7}  {finding.check:<15}  {finding.message}{remedy}")
    for done in mended:
        typer.echo(f"mended   {done}")
    for line in _unanswered(found):
        typer.echo(line)
    typer.echo(_summary(found.findings))


def _unanswered(found: Examination) -> list[str]:
    return [f"Not looked at: {', '.join(found.not_looked_at)}."] if found.not_looked_at else []


def _summary(findings: Sequence[Finding]) -> str:
    errors = sum(each.severity is Severity.ERROR for each in findings)
    warnings = sum(each.severity is Severity.WARNING for each in findings)
    if not errors + warnings:
        return f"All {len(findings)} checks are well."
    mendable = sum(each.is_mendable for each in findings)
    said = f"{counted(errors, 'error')}, {counted(warnings, 'warning')}."
    return f"{said} `adsum doctor --fix` mends {mendable} of them." if mendable else said


def _titled(check: str) -> str:
    return check[0].upper() + check[1:]
