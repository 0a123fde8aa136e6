"""`adsum school`: schools and their edit windows."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.output import Json, show_one, show_rows
from adsum.platform.command_line.session import with_adsum
from adsum.platform.ids import MAX_ID
from adsum.platform.paging import MAX_LIMIT, PageRequest
from adsum.schools.rules import MAX_EDIT_WINDOW_DAYS, School
from adsum.wiring import Adsum

app = typer.Typer(no_args_is_help=True)

SCHOOL = ("id", "name", "timeZone", "editWindowDays", "sourcedId")
SchoolId = Annotated[
    int | None, typer.Option("--school", min=1, max=MAX_ID, metavar="ID", help="Needed where there are several.")
]


@app.command("list")
def list_schools(*, as_json: Json = False) -> None:
    """Show every school."""
    rows = [_school_row(row) for row in with_adsum(_schools)]
    show_rows(SCHOOL, rows, as_json=as_json, none="no schools")


@app.command("edit-window")
def edit_window(
    *,
    days: Annotated[int | None, typer.Option(min=0, max=MAX_EDIT_WINDOW_DAYS, help="After the learning date.")] = None,
    ever: Annotated[bool, typer.Option("--ever", help="Teachers may write about any day.")] = False,
    school: SchoolId = None,
    as_json: Json = False,
) -> None:
    """Set for how many days teachers may write about a day. The office may always, with a reason."""
    if ever == (days is not None):
        raise typer.BadParameter("give --days or --ever", param_hint="--days")

    async def work(adsum: Adsum) -> School:
        return await adsum.schools.set_edit_window(await _chosen(adsum, school), days, system_caller())

    show_one(_school_row(with_adsum(work)), as_json=as_json)


async def _chosen(adsum: Adsum, school_id: int | None) -> int:
    """The school that was named, or the only one there is."""
    return school_id or (await adsum.schools.only(system_caller())).id


async def _schools(adsum: Adsum) -> list[School]:
    found: list[School] = []
    cursor: str | None = None
    while True:
        page = await adsum.schools.page(system_caller(), PageRequest(cursor, MAX_LIMIT))
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


def _school_row(row: School) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "timeZone": row.time_zone,
        "editWindowDays": row.edit_window_days,
        "sourcedId": row.source_id,
    }
