"""`adsum absence`: planned absences of students."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Annotated, Any

import typer

from adsum.absences.rules import Absence, AbsenceFilters
from adsum.absences.schemas import AbsenceItem
from adsum.absences.service import AbsenceResult, Absences, ListedAbsence
from adsum.accounts.access import system_caller
from adsum.platform.command_line.id_lists import parse_ids
from adsum.platform.command_line.notices import show_notice
from adsum.platform.command_line.options import (
    ClassId,
    FirstDay,
    LastDay,
    SchoolId,
    StudentId,
    read_day,
    read_time,
    require_order,
    school_option,
    search_option,
)
from adsum.platform.command_line.output import Json, show_item, show_items, show_one
from adsum.platform.command_line.session import run_with, run_with_services
from adsum.platform.ids import MAX_ID
from adsum.platform.paging import every_item
from adsum.platform.services import Services
from adsum.roster.commands import names_unless_json

app = typer.Typer(no_args_is_help=True)

COLUMNS = (
    *("id", "studentId", "student", "from", "to", "fromTime", "toTime", "sessionIds"),
    *("status", "reason", "version", "revokedAt"),
)
DROPPED_FIRST = ("version", "revokedAt", "sessionIds", "toTime", "fromTime")

AbsenceId = Annotated[int, typer.Argument(min=1, max=MAX_ID, metavar="ID", help="The id of the absence: see `list`.")]
TIME_HELP = "Only sessions that meet then by the timetable; with --session, also without times."
Time = Annotated[str | None, typer.Option(parser=read_time, metavar="HH:MM", help=TIME_HELP)]
ChangedTime = Annotated[str | None, typer.Option(parser=read_time, metavar="HH:MM", help=f"{TIME_HELP} '' removes it.")]
ReasonOption = Annotated[str, typer.Option(help="The reason, which only the office sees.")]


@app.command()
def enter(
    *,
    student: Annotated[list[str], typer.Option(metavar="IDS", help="Students, such as 4,5 or 10-20.")],
    first_day: Annotated[date, typer.Option("--from", parser=read_day, metavar="DATE", help="The first day.")],
    last_day: Annotated[
        date | None, typer.Option("--to", parser=read_day, metavar="DATE", help="The last day. [default: the first]")
    ] = None,
    reason: ReasonOption,
    status: Annotated[str, typer.Option(metavar="CODE", help="The status that registers record.")] = "excused",
    school_id: Annotated[
        int | None,
        school_option("The school of the absence. [default: the first school that all students have]"),
    ] = None,
    from_time: Time = None,
    to_time: Time = None,
    session: Annotated[list[str], typer.Option(metavar="IDS", help="Only these sessions.")] = [],  # noqa: B006 - never changed
    as_json: Json = False,
) -> None:
    """Enter planned absences. Existing records are corrected."""
    student_ids = parse_ids({"student": student})["student"]
    sessions = _session_ids(session) or None
    absence = Absence(first_day, last_day or first_day, status, sessions, from_time, to_time, reason=reason)

    async def work(services: Services) -> tuple[AbsenceResult, dict[int, str]]:
        result = await services[Absences].add(student_ids, absence, system_caller(), school_id=school_id)
        return result, await names_unless_json(services, student_ids, as_json=as_json)

    result, names = run_with_services(work)
    items = [AbsenceItem.of(each) for each in result.absences]
    show_items(COLUMNS, items, as_json=as_json, dropped_first=DROPPED_FIRST, names={"student": names})
    for each in result.absences:
        if each.id in result.entered_before:
            show_notice(f"student {each.student_id} has this absence already: {each.id}")
    _show_warnings(result)


@app.command("list")
def list_absences(
    *,
    school_id: SchoolId = None,
    class_id: ClassId = None,
    student_id: StudentId = None,
    first_day: FirstDay = None,
    last_day: LastDay = None,
    search: Annotated[str | None, search_option("Words of the names or the sourced id of a student.")] = None,
    revoked: Annotated[bool, typer.Option("--revoked", help="Include revoked absences.")] = False,
    as_json: Json = False,
) -> None:
    """Show absences, the latest first day first."""
    require_order(first_day, last_day)
    filters = AbsenceFilters(school_id, class_id, student_id, first_day, last_day, revoked, search)

    async def work(services: Services) -> tuple[list[ListedAbsence], dict[int, str]]:
        absences = services[Absences]
        found = await every_item(lambda page: absences.page(system_caller(), filters, page))
        of_people = [each.planned.student_id for each in found]
        return found, await names_unless_json(services, of_people, as_json=as_json)

    found, names = run_with_services(work)
    items = [AbsenceItem.of(each.planned, each.warnings) for each in found]
    show_items(
        COLUMNS, items, as_json=as_json, dropped_first=DROPPED_FIRST, none="no absences", names={"student": names}
    )
    for item in () if as_json else items:
        for warning in item.warnings:
            show_notice(f"absence {item.id}: {warning.detail}")


@app.command()
def change(
    *,
    absence_id: AbsenceId,
    first_day: Annotated[
        date | None, typer.Option("--from", parser=read_day, metavar="DATE", help="The first day.")
    ] = None,
    last_day: Annotated[
        date | None, typer.Option("--to", parser=read_day, metavar="DATE", help="The last day.")
    ] = None,
    from_time: ChangedTime = None,
    to_time: ChangedTime = None,
    session: Annotated[list[str] | None, typer.Option(metavar="IDS", help="Only these sessions; '' means all.")] = None,
    status: Annotated[str | None, typer.Option(metavar="CODE", help="The status that registers record.")] = None,
    reason: Annotated[str | None, typer.Option(help="The reason, which only the office sees.")] = None,
    as_json: Json = False,
) -> None:
    """Change an absence, and the records whose mark comes from it."""
    given = {"first_day": first_day, "last_day": last_day, "status": status, "reason": reason}
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    times = {"from_time": from_time, "to_time": to_time}
    values |= {name: time or None for name, time in times.items() if time is not None}
    if session:
        values["session_ids"] = None if session == [""] else _session_ids(session)
    if not values:
        raise typer.BadParameter("nothing to change: see --help")
    result = run_with(
        Absences,
        lambda absences: absences.change(absence_id, None, lambda absence: replace(absence, **values), system_caller()),
    )
    _show(result, as_json=as_json)


@app.command()
def revoke(*, absence_id: AbsenceId, as_json: Json = False) -> None:
    """Revoke an absence. It keeps its history; records return to their previous marks."""
    result = run_with(Absences, lambda absences: absences.revoke(absence_id, None, system_caller()))
    _show(result, as_json=as_json)


def _session_ids(texts: list[str]) -> tuple[int, ...]:
    return tuple(parse_ids({"session": texts}, of="session")["session"])


def _show(result: AbsenceResult, *, as_json: bool) -> None:
    """Shows a changed absence: in JSON with its warnings, else the warnings on stderr."""
    item = AbsenceItem.of(result.absences[0], result.warnings)
    if as_json:
        show_item(item, as_json=True)
        return
    row = item.model_dump(by_alias=True)
    show_one({name: row[name] for name in COLUMNS if name in row}, as_json=False)
    _show_warnings(result)


def _show_warnings(result: AbsenceResult) -> None:
    for warning in result.warnings:
        show_notice(warning.detail)
