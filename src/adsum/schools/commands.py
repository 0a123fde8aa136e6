"""`adsum school`: schools and their edit windows."""

from __future__ import annotations

from typing import Annotated

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.output import Json, show_item, show_items
from adsum.platform.command_line.session import run_with
from adsum.platform.ids import MAX_ID
from adsum.platform.paging import every_item
from adsum.schools.rules import MAX_EDIT_WINDOW_DAYS, School
from adsum.schools.schemas import SchoolItem
from adsum.schools.service import Schools

app = typer.Typer(no_args_is_help=True)

COLUMNS = ("id", "name", "timeZone", "editWindowDays", "sourcedId")
SchoolId = Annotated[
    int | None, typer.Option("--school", min=1, max=MAX_ID, metavar="ID", help="Required if there are several.")
]


@app.command("list")
def list_schools(*, as_json: Json = False) -> None:
    """Show every school."""
    rows = run_with(Schools, lambda schools: every_item(lambda page: schools.page(system_caller(), page)))
    show_items(COLUMNS, [SchoolItem.model_validate(row) for row in rows], as_json=as_json, none="no schools")


@app.command("edit-window")
def edit_window(
    *,
    days: Annotated[
        int | None, typer.Option(min=0, max=MAX_EDIT_WINDOW_DAYS, help="Days after the learning date.")
    ] = None,
    ever: Annotated[bool, typer.Option("--ever", help="Without limit.")] = False,
    school: SchoolId = None,
    as_json: Json = False,
) -> None:
    """Set for how many days teachers may mark and correct. Later, only the office may, with a reason."""
    if ever == (days is not None):
        raise typer.BadParameter("give --days or --ever", param_hint="--days")

    async def set_window(schools: Schools) -> School:
        school_id = school or (await schools.only(system_caller())).id
        return await schools.set_edit_window(school_id, days, system_caller())

    show_item(SchoolItem.model_validate(run_with(Schools, set_window)), as_json=as_json)
