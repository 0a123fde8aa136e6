"""`adsum register`: registers that were not taken, and reminders of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.id_lists import parse_ids
from adsum.platform.command_line.notices import show_notice
from adsum.platform.command_line.options import (
    FirstDay,
    LastDay,
    SchoolDay,
    SchoolId,
    SessionId,
    require_order,
    school_option,
)
from adsum.platform.command_line.output import Json, show_item, show_items, show_rows
from adsum.platform.command_line.session import run_with
from adsum.platform.paging import every_item
from adsum.registers.reminders.rules import ReminderFilters
from adsum.registers.reminders.schemas import RemindedAnswer, SentReminderItem
from adsum.registers.reminders.service import Reminders
from adsum.registers.rules import RegisterFilters
from adsum.registers.schemas import RegisterItem
from adsum.registers.service import Registers

app = typer.Typer(no_args_is_help=True)

COLUMNS = (
    *("schoolId", "classId", "className", "sessionId", "sessionTitle", "learningDate"),
    *("teachers", "state", "marked", "expected"),
)
DROPPED_FIRST = ("sessionTitle", "learningDate", "sessionId", "classId", "schoolId", "teachers")


REMINDER_COLUMNS = (
    *("id", "schoolId", "classId", "sessionId", "learningDate"),
    *("remindedAt", "remindedByRole", "remindedByUserId", "remindedByKeyId"),
)


@app.command()
def missing(*, day: SchoolDay = None, school_id: SchoolId = None, as_json: Json = False) -> None:
    """Show the registers of a day that are not taken, or only partly."""
    filters = RegisterFilters(day, school_id, missing_only=True)
    found = run_with(
        Registers,
        lambda registers: every_item(lambda page: registers.page(system_caller(), filters, page)),
    )
    items = [RegisterItem.model_validate(each) for each in found]
    none = "no register is missing"
    if as_json:
        show_items(COLUMNS, items, as_json=True, none=none)
    else:
        _show_table(items, none)


@app.command()
def remind(
    *,
    school_id: Annotated[int, school_option("The school of the registers.")],
    day: SchoolDay = None,
    session: Annotated[
        list[str], typer.Option(metavar="IDS", help="Only these sessions. [default: all whose register is missing]")
    ] = [],  # noqa: B006 - never changed
    as_json: Json = False,
) -> None:
    """Remind the teachers of missing registers: a notice on their pages, until the register is taken."""
    session_ids = parse_ids({"session": session}, of="session")["session"] or None
    reminded = run_with(Reminders, lambda reminders: reminders.remind(school_id, day, session_ids, system_caller()))
    if as_json:
        show_item(RemindedAnswer.model_validate(reminded), as_json=True)
        return
    _show_table([RegisterItem.model_validate(each) for each in reminded.sent], "nobody was reminded")
    for each in (*reminded.sent, *reminded.recent, *reminded.without_login):
        for teacher in each.teachers:
            if not teacher.has_login and not teacher.is_erased:
                show_notice(
                    f"{each.class_name}, {each.session_title}: {teacher.name} has no login, and sees no reminder"
                )
    for each in reminded.recent:
        show_notice(f"{each.class_name}, {each.session_title}: reminded a few minutes ago")
    for each in reminded.without_teacher:
        show_notice(f"{each.class_name}, {each.session_title}: nobody teaches or covers it on that day")


@app.command()
def reminders(
    *,
    school_id: SchoolId = None,
    session_id: SessionId = None,
    first_day: FirstDay = None,
    last_day: LastDay = None,
    as_json: Json = False,
) -> None:
    """Show the reminders that were sent, the newest first."""
    require_order(first_day, last_day)
    filters = ReminderFilters(school_id, session_id, first_day, last_day)
    found = run_with(Reminders, lambda sent: every_item(lambda page: sent.page(system_caller(), filters, page)))
    items = [SentReminderItem.model_validate(each) for each in found]
    dropped_first = ("remindedByKeyId", "id", "schoolId", "classId")
    show_items(REMINDER_COLUMNS, items, as_json=as_json, dropped_first=dropped_first, none="no reminders")


def _show_table(items: Sequence[RegisterItem], none: str) -> None:
    rows = [
        item.model_dump(by_alias=True)
        | {"teachers": ["erased user" if each.is_erased else each.name for each in item.teachers]}
        for item in items
    ]
    show_rows(COLUMNS, rows, as_json=False, dropped_first=DROPPED_FIRST, none=none)
