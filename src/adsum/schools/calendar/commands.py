"""`adsum calendar`: the days on which a school is closed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Annotated, Any, TypeVar

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.options import FirstDay, LastDay, read_day
from adsum.platform.command_line.output import Json, show_one, show_rows
from adsum.platform.command_line.session import with_adsum
from adsum.platform.ids import MAX_ID
from adsum.platform.paging import MAX_LIMIT, PageRequest
from adsum.schools.calendar.rules import ClosedDay, ClosedDayFilters, RecordedClosedDay
from adsum.wiring import Adsum

app = typer.Typer(no_args_is_help=True)
Result = TypeVar("Result")

SHOWN = ("date", "fromTime", "reason", "createdAt", "createdByRole")
DISPENSABLE = ("createdByRole", "createdAt")

ClosedOn = Annotated[date, typer.Argument(parser=read_day, metavar="DAY", help="Such as 2024-12-24.")]
SchoolId = Annotated[
    int | None, typer.Option("--school", min=1, max=MAX_ID, metavar="ID", help="May be left out where there is one.")
]


@app.command()
def close(
    day: ClosedOn,
    *,
    reason: Annotated[str, typer.Option(help="Why: it is shown to who wants to mark a class then.")],
    from_time: Annotated[str | None, typer.Option(metavar="HH:MM", help="From then on. [default: all day]")] = None,
    school_id: SchoolId = None,
    as_json: Json = False,
) -> None:
    """Close a school on a day. What is recorded already stays."""
    closed = ClosedDay(day, reason, from_time)
    row = _of_school(school_id, lambda adsum, of: adsum.school_calendar.close_day(of, closed, system_caller()))
    show_one(_row(row), as_json=as_json)


@app.command("open")
def open_again(day: ClosedOn, *, school_id: SchoolId = None, as_json: Json = False) -> None:
    """Take a closed day back."""
    _of_school(school_id, lambda adsum, of: adsum.school_calendar.open_day(of, day, system_caller()))
    show_one({"date": day, "closed": False}, as_json=as_json)


@app.command()
def show(
    *, first_day: FirstDay = None, last_day: LastDay = None, school_id: SchoolId = None, as_json: Json = False
) -> None:
    """Show the days on which a school is closed."""
    filters = ClosedDayFilters(first_day, last_day)
    rows = _of_school(school_id, lambda adsum, of: _closed_days(adsum, of, filters))
    show_rows(SHOWN, rows, as_json=as_json, dispensable=DISPENSABLE, none="no closed days")


def _of_school(school_id: int | None, work: Callable[[Adsum, int], Awaitable[Result]]) -> Result:
    async def run(adsum: Adsum) -> Result:
        return await work(adsum, school_id or (await adsum.schools.only(system_caller())).id)

    return with_adsum(run)


async def _closed_days(adsum: Adsum, school_id: int, filters: ClosedDayFilters) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        wanted = PageRequest(cursor, MAX_LIMIT)
        page = await adsum.school_calendar.closed_days(school_id, filters, system_caller(), wanted)
        rows += map(_row, page.items)
        cursor = page.next_cursor
        if cursor is None:
            return rows


def _row(closed: RecordedClosedDay) -> dict[str, Any]:
    return {
        "date": closed.day,
        "fromTime": closed.from_time,
        "reason": closed.reason,
        "createdAt": closed.created_at,
        "createdByRole": closed.created_role,
    }
