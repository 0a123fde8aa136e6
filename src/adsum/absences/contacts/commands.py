"""`adsum contact`: the students to call because of an unexplained absence, and the calls that were made."""

from __future__ import annotations

import sys
from codecs import BOM_UTF8
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from adsum.absences.contacts.rules import ContactFilters, ContactResult, NewContact
from adsum.absences.contacts.schemas import ContactItem, EnteredContactItem, StudentToCallItem
from adsum.absences.contacts.service import Contacts
from adsum.accounts.access import system_caller
from adsum.platform.command_line.options import (
    FirstDay,
    LastDay,
    SchoolId,
    StudentId,
    one_of,
    read_day,
    require_order,
    school_option,
    student_option,
)
from adsum.platform.command_line.output import STDOUT, Json, show_item, show_items, show_one, whole_file
from adsum.platform.command_line.session import run_with
from adsum.platform.files.csv_export import csv_lines
from adsum.platform.paging import every_item

app = typer.Typer(no_args_is_help=True)

TO_CALL = (
    "studentId",
    "familyName",
    "givenName",
    "classes",
    "whomToCall",
    "contacts",
    "result",
    "person",
    "contactedAt",
)
COLUMNS = ("id", "studentId", "date", "result", "person", "note", "contactedAt", "contactedByRole", "contactedByUserId")

AbsentOn = Annotated[
    date | None,
    typer.Option(
        "--date", parser=read_day, metavar="DATE", help="The day of the absence. [default: the school's today]"
    ),
]
Result = Annotated[
    ContactResult,
    typer.Option(parser=one_of(ContactResult), metavar="|".join(ContactResult), help="The result of the call."),
]


@app.command("to-call")
def to_call(
    *,
    school_id: Annotated[int, school_option("The school of the students.")],
    day: AbsentOn = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write a CSV file; - is stdout.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the students with an unexplained absence on a day, and the newest contact about each."""
    found = run_with(
        Contacts,
        lambda contacts: every_item(lambda page: contacts.to_call(school_id, day, system_caller(), page)),
    )
    items = [StudentToCallItem.of(each) for each in found]
    if output is None:
        dropped_first = ("contactedAt", "person", "classes")
        show_items(TO_CALL, items, as_json=as_json, dropped_first=dropped_first, none="no absence is unexplained")
        return
    columns = [field.alias or name for name, field in StudentToCallItem.model_fields.items()]
    rows = ([getattr(item, name) for name in StudentToCallItem.model_fields] for item in items)
    lines = csv_lines([columns, *rows]).encode()
    if output == STDOUT:
        sys.stdout.buffer.write(lines)
        return
    with whole_file(output) as file:
        file.write(BOM_UTF8 + lines)
    show_one({"file": str(output), "students": len(items)}, as_json=as_json)


@app.command()
def add(
    *,
    student_id: Annotated[int, student_option()],
    result: Result,
    day: AbsentOn = None,
    person: Annotated[str | None, typer.Option(help="The person who was called, such as 'mother'.")] = None,
    note: Annotated[str | None, typer.Option(help="The words of the conversation; required for other.")] = None,
    explain_as: Annotated[
        str | None,
        typer.Option(metavar="CODE", help="An authorised absence, which explains the absence of the day."),
    ] = None,
    school_id: Annotated[int | None, school_option("[default: the home school of the student]")] = None,
    as_json: Json = False,
) -> None:
    """Enter a call about the absence of a student. Nobody changes it."""
    contact = NewContact(result, person, note, explain_as)
    stored = run_with(
        Contacts, lambda contacts: contacts.add(student_id, day, contact, system_caller(), school_id=school_id)
    )
    show_item(EnteredContactItem.of(stored), as_json=as_json)


@app.command("list")
def list_contacts(
    *,
    school_id: SchoolId = None,
    student_id: StudentId = None,
    first_day: FirstDay = None,
    last_day: LastDay = None,
    as_json: Json = False,
) -> None:
    """Show the calls that were made, the newest first."""
    require_order(first_day, last_day)
    filters = ContactFilters(school_id, student_id, first_day, last_day)
    found = run_with(Contacts, lambda contacts: every_item(lambda page: contacts.page(system_caller(), filters, page)))
    items = [ContactItem.model_validate(each) for each in found]
    dropped_first = ("contactedByUserId", "contactedByRole", "note")
    show_items(COLUMNS, items, as_json=as_json, dropped_first=dropped_first, none="no contacts")
