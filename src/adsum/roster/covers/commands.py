"""`adsum cover`: teachers who cover the classes or sessions of others."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.options import (
    ClassId,
    SchoolId,
    SessionId,
    TeacherId,
    class_option,
    read_day,
    require_order,
    teacher_option,
)
from adsum.platform.command_line.output import Json, show_item, show_items, show_one
from adsum.platform.command_line.session import run_with
from adsum.platform.ids import MAX_ID
from adsum.platform.paging import every_item
from adsum.roster.covers.rules import Cover, CoverFilters
from adsum.roster.covers.schemas import CoverItem
from adsum.roster.covers.service import Covers

app = typer.Typer(no_args_is_help=True)

COLUMNS = ("id", "classId", "sessionId", "teacherId", "replacedTeacherIds", "from", "to", "createdAt", "createdByRole")
DROPPED_FIRST = ("createdByRole", "createdAt", "replacedTeacherIds")

FirstDay = Annotated[date | None, typer.Option("--from", parser=read_day, metavar="DATE", help="The first day.")]
LastDay = Annotated[date | None, typer.Option("--to", parser=read_day, metavar="DATE", help="The last day.")]


@app.command()
def assign(
    *,
    class_id: Annotated[int, class_option()],
    session_id: SessionId = None,
    teacher_id: Annotated[int, teacher_option()],
    first_day: Annotated[date, typer.Option("--from", parser=read_day, metavar="DATE", help="The first day.")],
    last_day: Annotated[
        date | None, typer.Option("--to", parser=read_day, metavar="DATE", help="The last day. [default: the first]")
    ] = None,
    as_json: Json = False,
) -> None:
    """Assign a cover: a teacher who replaces another in a class, or in one of its sessions."""
    cover = Cover(class_id, session_id, teacher_id, first_day, last_day or first_day)
    assigned = run_with(Covers, lambda covers: covers.assign(cover, system_caller()))
    show_item(CoverItem.of(assigned.row), as_json=as_json)


@app.command("list")
def list_covers(
    *,
    school_id: SchoolId = None,
    class_id: ClassId = None,
    teacher_id: TeacherId = None,
    first_day: FirstDay = None,
    last_day: LastDay = None,
    as_json: Json = False,
) -> None:
    """Show covers, the latest first day first."""
    require_order(first_day, last_day)
    filters = CoverFilters(school_id, class_id, teacher_id, first_day, last_day)
    rows = run_with(Covers, lambda covers: every_item(lambda page: covers.page(system_caller(), filters, page)))
    items = [CoverItem.of(row) for row in rows]
    show_items(COLUMNS, items, as_json=as_json, dropped_first=DROPPED_FIRST, none="no covers")


@app.command()
def end(
    *,
    cover_id: Annotated[int, typer.Argument(min=1, max=MAX_ID, metavar="ID", help="The id of the cover: see `list`.")],
    as_json: Json = False,
) -> None:
    """End a cover from today on. Earlier days stay covered."""
    run_with(Covers, lambda covers: covers.end(cover_id, system_caller()))
    show_one({"id": cover_id, "ended": True}, as_json=as_json)
