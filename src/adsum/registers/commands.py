"""`adsum register`: which classes were not marked."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.options import read_day
from adsum.platform.command_line.output import Json, show_rows
from adsum.platform.command_line.session import with_adsum
from adsum.platform.ids import MAX_ID
from adsum.platform.paging import MAX_LIMIT, PageRequest
from adsum.registers.rules import Register, RegisterFilters
from adsum.wiring import Adsum

app = typer.Typer(no_args_is_help=True)

SHOWN = ("classId", "className", "sessionId", "sessionTitle", "learningDate", "teachers", "state", "marked", "expected")
DISPENSABLE = ("sessionTitle", "learningDate", "sessionId", "classId", "teachers")


@app.callback()
def register() -> None:
    """Which classes were not marked."""


@app.command()
def missing(
    *,
    day: Annotated[
        date | None, typer.Option("--date", parser=read_day, metavar="DATE", help="[default: the school's today]")
    ] = None,
    school_id: Annotated[int | None, typer.Option("--school", min=1, max=MAX_ID, metavar="ID")] = None,
    as_json: Json = False,
) -> None:
    """Show the registers of a day that were not taken, or only in part."""
    filters = RegisterFilters(day, school_id)
    found = with_adsum(lambda adsum: _missing(adsum, filters))
    rows = [_row(each, as_json=as_json) for each in found]
    show_rows(SHOWN, rows, as_json=as_json, dispensable=DISPENSABLE, none="no register is missing")


async def _missing(adsum: Adsum, filters: RegisterFilters) -> list[Register]:
    found: list[Register] = []
    cursor: str | None = None
    while True:
        page = await adsum.registers.page(system_caller(), filters, PageRequest(cursor, MAX_LIMIT))
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


def _row(each: Register, *, as_json: bool) -> dict[str, Any]:
    """As in the HTTP API; for people teachers are their names."""
    teachers = [{"userId": teacher.user_id, "name": teacher.name} for teacher in each.teachers]
    return {
        "classId": each.class_id,
        "className": each.class_name,
        "sessionId": each.session_id,
        "sessionTitle": each.session_title,
        "learningDate": each.learning_date,
        "teachers": teachers if as_json else [teacher.name for teacher in each.teachers],
        "state": each.state.value,
        "marked": each.marked,
        "expected": each.expected,
        "missingStudentIds": each.missing_student_ids,
        "isProcessing": each.is_processing,
    }
