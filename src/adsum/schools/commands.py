"""`adsum school` and `adsum status`: the schools, and what can be recorded there."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from adsum.accounts.access import system_caller
from adsum.attendance.statuses.rules import CountsAs, Status, StatusFlag
from adsum.attendance.statuses.service import StatusChange
from adsum.platform.command_line.choices import one_of
from adsum.platform.command_line.output import Json, show_one, show_rows
from adsum.platform.command_line.session import with_adsum
from adsum.platform.ids import MAX_ID
from adsum.platform.paging import MAX_LIMIT, PageRequest
from adsum.schools.edit_window import MAX_WINDOW
from adsum.schools.repository import SchoolRow
from adsum.wiring import Adsum

app = typer.Typer(no_args_is_help=True)
status_app = typer.Typer(no_args_is_help=True)

SCHOOL = ("id", "name", "timeZone", "editWindowDays", "sourcedId")
COLUMNS = ("code", "label", "letter", "countsAs", "flags", "position", "retiredAt")
SchoolId = Annotated[
    int | None, typer.Option("--school", min=1, max=MAX_ID, metavar="ID", help="Needed where there are several.")
]
Code = Annotated[str, typer.Argument(metavar="CODE", help="What is recorded, such as `trip`.")]
Letter = Annotated[str | None, typer.Option(help="One character, on registers and on the keyboard.")]
Position = Annotated[int | None, typer.Option(help="In lists; the lowest first.")]


@app.command("list")
def list_schools(*, as_json: Json = False) -> None:
    """Show every school."""
    rows = [_school_row(row) for row in with_adsum(_schools)]
    show_rows(SCHOOL, rows, as_json=as_json, none="no schools")


@app.command("edit-window")
def edit_window(
    *,
    days: Annotated[int | None, typer.Option(min=0, max=MAX_WINDOW, help="After the learning date.")] = None,
    ever: Annotated[bool, typer.Option("--ever", help="Teachers may write about any day.")] = False,
    school: SchoolId = None,
    as_json: Json = False,
) -> None:
    """Set for how many days teachers may write about a day. The office may always, with a reason."""
    if ever == (days is not None):
        raise typer.BadParameter("give --days or --ever", param_hint="--days")

    async def work(adsum: Adsum) -> SchoolRow:
        return await adsum.schools.set_edit_window(await _chosen(adsum, school), days, system_caller())

    show_one(_school_row(with_adsum(work)), as_json=as_json)


@status_app.command("list")
def list_statuses(*, school: SchoolId = None, as_json: Json = False) -> None:
    """Show the statuses of a school, in its order; retired ones too."""

    async def work(adsum: Adsum) -> list[dict[str, Any]]:
        statuses = await adsum.statuses.all_of(await _chosen(adsum, school), system_caller())
        return [_row(status) for status in statuses]

    show_rows(COLUMNS, with_adsum(work), as_json=as_json, dispensable=("position", "flags"))


@status_app.command()
def add(
    code: Code,
    *,
    label: Annotated[str, typer.Option(help="For people.")],
    letter: Annotated[str, typer.Option(help="One character, on registers and on the keyboard.")],
    counts_as: Annotated[CountsAs, typer.Option(parser=one_of(CountsAs), metavar="|".join(CountsAs))],
    flag: Annotated[
        list[StatusFlag], typer.Option(parser=one_of(StatusFlag), metavar="|".join(StatusFlag), help="Repeatable.")
    ] = [],  # noqa: B006 - never changed
    position: Position = None,
    school: SchoolId = None,
    as_json: Json = False,
) -> None:
    """Add a status. Its code, what it counts as and its flags never change: history keeps its meaning."""
    status = Status(code, label, letter, counts_as, frozenset(flag), 100 if position is None else position)

    async def work(adsum: Adsum) -> Status:
        return await adsum.statuses.add(await _chosen(adsum, school), status, system_caller())

    show_one(_row(with_adsum(work)), as_json=as_json)


@status_app.command()
def change(
    code: Code,
    *,
    label: Annotated[str | None, typer.Option(help="For people.")] = None,
    letter: Letter = None,
    position: Position = None,
    retired: Annotated[
        bool | None, typer.Option("--retire/--reuse", help="Not given any more, or again; history keeps it.")
    ] = None,
    school: SchoolId = None,
    as_json: Json = False,
) -> None:
    """Rename, reorder or retire a status."""
    wanted = StatusChange(label, letter, position, retired)

    async def work(adsum: Adsum) -> Status:
        return await adsum.statuses.change(await _chosen(adsum, school), code, wanted, system_caller())

    show_one(_row(with_adsum(work)), as_json=as_json)


async def _chosen(adsum: Adsum, school_id: int | None) -> int:
    """The school that was named, or the only one there is."""
    return school_id or (await adsum.schools.only(system_caller())).id


async def _schools(adsum: Adsum) -> list[SchoolRow]:
    found: list[SchoolRow] = []
    cursor: str | None = None
    while True:
        page = await adsum.schools.page(system_caller(), PageRequest(cursor, MAX_LIMIT))
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


def _school_row(row: SchoolRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "timeZone": row.time_zone,
        "editWindowDays": row.edit_window_days,
        "sourcedId": row.source_id,
    }


def _row(status: Status) -> dict[str, Any]:
    return {
        "code": status.code,
        "label": status.label,
        "letter": status.letter,
        "countsAs": status.counts_as,
        "flags": sorted(status.flags),
        "position": status.position,
        "retiredAt": status.retired_at,
    }
