"""`adsum desk`: late arrivals and early departures."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import typer

from adsum.accounts.access import system_caller
from adsum.accounts.audit.rules import SYSTEM
from adsum.platform.command_line.notices import show_notice
from adsum.platform.command_line.options import (
    FirstDay,
    LastDay,
    SchoolDay,
    SchoolId,
    StudentId,
    read_time,
    require_order,
    school_option,
    student_option,
)
from adsum.platform.command_line.output import Json, show_one, show_rows
from adsum.platform.command_line.session import run_with, run_with_services
from adsum.platform.ids import MAX_ID
from adsum.platform.paging import every_item
from adsum.platform.services import Services
from adsum.registers.desk.rules import DeskEntry, DeskFilters, NewEntry
from adsum.registers.desk.schemas import DeskEntryItem
from adsum.registers.desk.service import DeskEntries
from adsum.registers.rules import DeskKind
from adsum.roster.commands import names_unless_json

app = typer.Typer(no_args_is_help=True)

COLUMNS = (
    *("id", "studentId", "student", "date", "kind", "time", "reason", "status", "absenceId"),
    *("isComplete", "enteredAt", "enteredByRole", "undoneAt"),
)

# The status is that of the sessions that the student misses, not of the one that they come late to.
HEADINGS = {"status": "Missed sessions", "runs": "Batches"}

Student = Annotated[int, student_option()]
Time = Annotated[str, typer.Option(parser=read_time, metavar="HH:MM", help="The local time.")]
Reason = Annotated[str, typer.Option(help="The reason, which only the office sees.")]
OfSchool = Annotated[int | None, school_option("[default: the home school of the student]")]


@app.command()
def arrival(
    *,
    student_id: Student,
    time: Time,
    reason: Reason,
    status: Annotated[str, typer.Option(metavar="CODE", help="The status of the sessions that are over.")] = "absent",
    day: SchoolDay = None,
    school_id: OfSchool = None,
    as_json: Json = False,
) -> None:
    """Enter a late arrival: late in the running session, absent in those that are over."""
    _enter(NewEntry(DeskKind.ARRIVAL, student_id, time, reason, status), day, school_id, as_json=as_json)


@app.command()
def departure(
    *,
    student_id: Student,
    time: Time,
    reason: Reason,
    status: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="The status of the later sessions. [default: the first authorised absence]"),
    ] = None,
    day: SchoolDay = None,
    school_id: OfSchool = None,
    as_json: Json = False,
) -> None:
    """Enter an early departure: the time in the running session, a planned absence from the later ones."""
    _enter(NewEntry(DeskKind.DEPARTURE, student_id, time, reason, status), day, school_id, as_json=as_json)


@app.command("list")
def list_entries(
    *,
    school_id: SchoolId = None,
    student_id: StudentId = None,
    first_day: FirstDay = None,
    last_day: LastDay = None,
    as_json: Json = False,
) -> None:
    """Show late arrivals and early departures, the newest first."""
    require_order(first_day, last_day)
    filters = DeskFilters(school_id, student_id, first_day, last_day)

    async def work(services: Services) -> tuple[list[DeskEntry], dict[int, str]]:
        desk = services[DeskEntries]
        found = await every_item(lambda page: desk.page(system_caller(), filters, page))
        of_people = [each.student_id for each in found]
        return found, await names_unless_json(services, of_people, as_json=as_json)

    found, names = run_with_services(work)
    rows = [_cells(each, as_json=as_json) for each in found]
    if not as_json:
        rows = [row | {"student": names.get(row["studentId"])} for row in rows]
    show_rows(
        COLUMNS,
        rows,
        as_json=as_json,
        dropped_first=("enteredByRole", "absenceId", "enteredAt", "status"),
        none="no entries",
        headings=HEADINGS,
    )


@app.command()
def complete(
    *,
    entry_id: Annotated[int, typer.Argument(min=1, max=MAX_ID, metavar="ID", help="The id of the entry: see `list`.")],
    as_json: Json = False,
) -> None:
    """Complete an entry that was interrupted: submit the marks that are missing."""
    completed = run_with(DeskEntries, lambda desk: desk.complete(entry_id, system_caller()), enqueues=True)
    show_one(_cells(completed, as_json=as_json), as_json=as_json, headings=HEADINGS)


@app.command()
def undo(
    *,
    entry_id: Annotated[int, typer.Argument(min=1, max=MAX_ID, metavar="ID", help="The id of the entry: see `list`.")],
    as_json: Json = False,
) -> None:
    """Undo an entry. Its marks return to those before it; its planned absence is revoked."""
    undone = run_with(DeskEntries, lambda desk: desk.undo(entry_id, system_caller()), enqueues=True)
    show_one(_cells(undone, as_json=as_json), as_json=as_json, headings=HEADINGS)


def _enter(new: NewEntry, day: date | None, school_id: int | None, *, as_json: bool) -> None:
    result = run_with(
        DeskEntries, lambda desk: desk.enter(new, system_caller(), school_id=school_id, day=day), enqueues=True
    )
    show_one(_cells(result.entry, as_json=as_json), as_json=as_json, headings=HEADINGS)
    if not result.is_new:
        show_notice(f"this was entered already: {result.entry.id}")


def _cells(entry: DeskEntry, *, as_json: bool) -> dict[str, Any]:
    """The fields of an entry. People read its batches by their ids, and the author as in the audit log."""
    cells = DeskEntryItem.model_validate(entry).model_dump(mode="json" if as_json else "python", by_alias=True)
    if as_json:
        return cells
    is_by_system = entry.entered_by_user_id is None and entry.entered_by_key_id is None
    role = SYSTEM if is_by_system else entry.entered_by_role
    return cells | {"runs": [run.batch_id for run in entry.runs], "enteredByRole": role}
