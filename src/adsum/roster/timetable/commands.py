"""`adsum calendar import`: a school's timetable from a CSV file or a workbook."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.options import read_day, school_option
from adsum.platform.command_line.output import Json, show_item, show_text
from adsum.platform.command_line.session import run_with_services
from adsum.platform.errors import Invalid
from adsum.platform.services import Services
from adsum.roster.timetable.rules import TimetableReport, violations_of_lines
from adsum.roster.timetable.schemas import TimetableAnswer
from adsum.roster.timetable.service import Timetables
from adsum.schools.service import Schools

ValidFrom = Annotated[
    date | None,
    typer.Option(
        "--valid-from",
        parser=read_day,
        metavar="DATE",
        help="The day from which the times hold. Default: today, or every day for a session without times.",
    ),
]


def import_timetable(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, metavar="FILE")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the changes without making them.")] = False,
    school_id: Annotated[
        int | None,
        school_option("Optional if there is one school."),
    ] = None,
    valid_from: ValidFrom = None,
    as_json: Json = False,
) -> None:
    """Import a timetable: CSV or XLSX with the columns class,session,weekday,begins,ends. Imports all lines or none.

    Earlier days keep their times. A weekday is a number, 1 for Monday to 7 for Sunday, or a name in English or German,
    such as Mon or Montag.

    Adsum's ids are in the columns classId,sessionId instead.
    """
    content = file.read_bytes()

    async def work(services: Services) -> TimetableReport:
        return await services[Timetables].import_file(
            await _school(services, school_id, content),
            content,
            system_caller(),
            dry_run=dry_run,
            valid_from=valid_from,
        )

    report = run_with_services(work)
    show_item(TimetableAnswer.model_validate(report), as_json=as_json)
    if not report.changed and not as_json:
        show_text("Nothing changes: the sessions have these times.")


async def _school(services: Services, school_id: int | None, content: bytes) -> int:
    """Without a school, the errors of the file are shown, too."""
    if school_id is not None:
        return school_id
    try:
        return (await services[Schools].only(system_caller())).id
    except Invalid as error:
        raise violations_of_lines(content).before(error) from None
