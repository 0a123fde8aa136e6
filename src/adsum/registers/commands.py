"""`adsum register`: registers that were not taken."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.options import SchoolId, read_day
from adsum.platform.command_line.output import Json, show_items, show_rows
from adsum.platform.command_line.session import run_with
from adsum.platform.paging import every_item
from adsum.registers.rules import RegisterFilters
from adsum.registers.schemas import RegisterItem
from adsum.registers.service import Registers

app = typer.Typer(no_args_is_help=True)

COLUMNS = (
    *("schoolId", "classId", "className", "sessionId", "sessionTitle", "learningDate"),
    *("teachers", "state", "marked", "expected"),
)
DROPPED_FIRST = ("sessionTitle", "learningDate", "sessionId", "classId", "schoolId", "teachers")


@app.callback()
def register() -> None:
    """Registers that were not taken."""


@app.command()
def missing(
    *,
    day: Annotated[
        date | None, typer.Option("--date", parser=read_day, metavar="DATE", help="[default: the school's today]")
    ] = None,
    school_id: SchoolId = None,
    as_json: Json = False,
) -> None:
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
        rows = [
            item.model_dump(by_alias=True)
            | {"teachers": ["erased user" if each.is_erased else each.name for each in item.teachers]}
            for item in items
        ]
        show_rows(COLUMNS, rows, as_json=False, dropped_first=DROPPED_FIRST, none=none)
