"""`adsum cover`: who stands in for a teacher."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.options import ClassId, SessionId, read_day
from adsum.platform.command_line.output import Json, show_one, show_rows
from adsum.platform.command_line.session import with_adsum
from adsum.platform.ids import MAX_ID
from adsum.platform.paging import MAX_LIMIT, PageRequest
from adsum.roster.covers.repository import CoverRow
from adsum.roster.covers.rules import Cover, CoverFilters
from adsum.wiring import Adsum

app = typer.Typer(no_args_is_help=True)

SHOWN = ("id", "classId", "sessionId", "teacherId", "from", "to", "createdAt", "createdByRole")
DISPENSABLE = ("createdByRole", "createdAt")

TEACHER = typer.Option("--teacher", min=1, max=MAX_ID, metavar="ID", help="Our id of a user: see `user list --json`.")
FirstDay = Annotated[date | None, typer.Option("--from", parser=read_day, metavar="DATE", help="The first day.")]
LastDay = Annotated[date | None, typer.Option("--to", parser=read_day, metavar="DATE", help="The last day.")]


@app.command()
def assign(
    *,
    class_id: Annotated[int, typer.Option("--class", min=1, max=MAX_ID, metavar="ID")],
    session_id: SessionId = None,
    teacher_id: Annotated[int, TEACHER],
    first_day: Annotated[date, typer.Option("--from", parser=read_day, metavar="DATE", help="The first day.")],
    last_day: Annotated[
        date | None, typer.Option("--to", parser=read_day, metavar="DATE", help="The last day. [default: the first]")
    ] = None,
    as_json: Json = False,
) -> None:
    """Let a teacher stand in for another, in a class or in one session of it."""
    cover = Cover(class_id, session_id, teacher_id, first_day, last_day or first_day)
    assigned = with_adsum(lambda adsum: adsum.covers.assign(cover, system_caller()))
    show_one(row_of(assigned.row), as_json=as_json)


@app.command("list")
def list_covers(
    *,
    school_id: Annotated[int | None, typer.Option("--school", min=1, max=MAX_ID, metavar="ID")] = None,
    class_id: ClassId = None,
    teacher_id: Annotated[int | None, TEACHER] = None,
    first_day: FirstDay = None,
    last_day: LastDay = None,
    as_json: Json = False,
) -> None:
    """Show covers, those that begin last first."""
    filters = CoverFilters(school_id, class_id, teacher_id, first_day, last_day)
    rows = [row_of(row) for row in with_adsum(lambda adsum: _all(adsum, filters))]
    show_rows(SHOWN, rows, as_json=as_json, dispensable=DISPENSABLE, none="no covers")


@app.command()
def end(
    *,
    cover_id: Annotated[int, typer.Argument(min=1, max=MAX_ID, metavar="ID", help="Of the cover: see `list`.")],
    as_json: Json = False,
) -> None:
    """End a cover from today on. Its days before stay."""
    with_adsum(lambda adsum: adsum.covers.end(cover_id, system_caller()))
    show_one({"id": cover_id, "ended": True}, as_json=as_json)


async def _all(adsum: Adsum, filters: CoverFilters) -> list[CoverRow]:
    found: list[CoverRow] = []
    cursor: str | None = None
    while True:
        page = await adsum.covers.page(system_caller(), filters, PageRequest(cursor, MAX_LIMIT))
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


def row_of(row: CoverRow) -> dict[str, Any]:
    """Under the names of the HTTP API."""
    return {
        "id": row.id,
        "classId": row.cover.class_id,
        "sessionId": row.cover.session_id,
        "teacherId": row.cover.teacher_id,
        "from": row.cover.first_day,
        "to": row.cover.last_day,
        "createdAt": row.created_at,
        "createdByRole": row.created_role,
    }
