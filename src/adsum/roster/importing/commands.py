"""`adsum roster`: schools, classes and students from OneRoster files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.output import Json
from adsum.platform.command_line.session import with_adsum
from adsum.platform.errors import Forbidden, Invalid, Malformed
from adsum.platform.settings import known_timezone
from adsum.roster.importing.progress import ImportProgress
from adsum.roster.importing.report import ImportReport
from adsum.roster.importing.result import show_refusal, show_report
from adsum.roster.oneroster.files import roster_files
from adsum.wiring import Adsum

app = typer.Typer(no_args_is_help=True)


def _known_timezone(text: str) -> str:
    try:
        return known_timezone(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


@app.callback()
def roster() -> None:
    """Import schools, classes and students from OneRoster files."""


@app.command("import")
def import_roster(
    path: Annotated[Path, typer.Argument(exists=True, readable=True, metavar="PATH", help="A folder or a zip file.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Import nothing if any row is wrong.")] = False,
    allow_removals: Annotated[
        bool, typer.Option("--allow-removals", help="Let more than 10 % of students, classes or enrolments end.")
    ] = False,
    timezone: Annotated[
        str | None, typer.Option(parser=_known_timezone, metavar="ZONE", help="Of schools that are new.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Import OneRoster 1.1 or 1.2 CSV files. Exit 1 where anything was left out or refused."""

    async def run(adsum: Adsum) -> ImportReport:
        with roster_files(path) as files, ImportProgress() as progress:
            return await adsum.roster_import.run(
                files,
                caller=system_caller(),
                dry_run=dry_run,
                strict=strict,
                allow_removals=allow_removals,
                time_zone=timezone,
                progress=progress.show,
            )

    try:
        report = with_adsum(run)
    except (Malformed, Invalid, Forbidden) as error:
        show_refusal(error, as_json=as_json)
        sys.exit(1)
    show_report(report, as_json=as_json)
    if report.violation_count:
        sys.exit(1)
