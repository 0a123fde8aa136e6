"""`adsum desk`: late arrivals and early departures."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.notices import show_notice
from adsum.platform.command_line.options import (
    FirstDay,
    LastDay,
    SchoolDay,
    SchoolId,
    StudentId,
    read_time,
    school_option,
    student_option,
)
from adsum.platform.command_line.output import Json, show_item, show_items
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
HEADINGS = {"status": "Missed sessions"}

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
    filters = DeskFilters(school_id, student_id, first_day, last_day)

    async def work(services: Services) -> tuple[list[DeskEntry], dict[int, str]]:
        desk = services[DeskEntries]
        found = await every_item(lambda page: desk.page(system_caller(), filters, page))
        of_people = [each.student_id for each in found]
        return found, await names_unless_json(services, of_people, as_json=as_json)

    found, names = run_with_services(work)
    items = [DeskEntryItem.model_validate(each) for each in found]
    show_items(
        COLUMNS,
        items,
        as_json=as_json,
        dropped_first=("enteredByRole", "absenceId", "enteredAt", "status"),
        none="no entries",
        names={"student": names},
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
    show_item(DeskEntryItem.model_validate(completed), as_json=as_json, headings=HEADINGS)


@app.command()
def undo(
    *,
    entry_id: Annotated[int, typer.Argument(min=1, max=MAX_ID, metavar="ID", help="The id of the entry: see `list`.")],
    as_json: Json = False,
) -> None:
    """Undo an entry. Its marks return to those before it; its planned absence is revoked."""
    undone = run_with(DeskEntries, lambda desk: desk.undo(entry_id, system_caller()), enqueues=True)
    show_item(DeskEntryItem.model_validate(undone), as_json=as_json, headings=HEADINGS)


def _enter(new: NewEntry, day: date | None, school_id: int | None, *, as_json: bool) -> None:
    result = run_with(
        DeskEntries, lambda desk: desk.enter(new, system_caller(), school_id=school_id, day=day), enqueues=True
    )
    show_item(DeskEntryItem.model_validate(result.entry), as_json=as_json, headings=HEADINGS)
    if not result.is_new:
        show_notice(f"this was entered already: {result.entry.id}")
