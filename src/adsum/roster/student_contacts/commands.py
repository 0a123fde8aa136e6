"""`adsum student contacts`: whom to call about a student."""

from __future__ import annotations

from typing import Annotated

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.output import Json, show_items
from adsum.platform.command_line.session import run_with
from adsum.platform.ids import MAX_ID
from adsum.roster.student_contacts.schemas import StudentContactItem
from adsum.roster.student_contacts.service import StudentContacts

COLUMNS = ("sourcedId", "role", "givenName", "familyName", "phone", "sms", "email")


def contacts(
    student_id: Annotated[
        int, typer.Argument(min=1, max=MAX_ID, metavar="ID", help="The id of the student: see `list`.")
    ],
    *,
    as_json: Json = False,
) -> None:
    """Show whom to call: the guardians, parents and relatives in the roster."""
    found = run_with(StudentContacts, lambda service: service.of_student(student_id, system_caller()))
    items = [StudentContactItem.model_validate(each) for each in found]
    show_items(COLUMNS, items, as_json=as_json, dropped_first=("email", "sourcedId"), none="no contacts in the roster")
