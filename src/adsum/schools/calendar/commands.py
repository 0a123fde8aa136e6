"""`adsum calendar`: the days on which a school is closed, and its terms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Annotated, TypeVar

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.notices import show_notice
from adsum.platform.command_line.options import FirstDay, LastDay, read_day, read_time, require_order, school_option
from adsum.platform.command_line.output import Json, show_item, show_items, show_one
from adsum.platform.command_line.session import run_with_services
from adsum.platform.paging import every_item
from adsum.platform.services import Services
from adsum.schools.calendar.rules import ClosedDay, ClosedDayFilters
from adsum.schools.calendar.schemas import ClosedDayItem, TermItem
from adsum.schools.calendar.service import SchoolCalendar
from adsum.schools.service import Schools

app = typer.Typer(no_args_is_help=True)
Result = TypeVar("Result")

COLUMNS = ("date", "fromTime", "reason", "marks", "createdAt", "createdByRole")
DROPPED_FIRST = ("createdByRole", "createdAt", "marks")
COLUMNS_OF_TERMS = ("id", "title", "beginDate", "endDate", "opensSchool", "sourcedId", "type", "parentSourcedId")

ClosedOn = Annotated[date, typer.Argument(parser=read_day, metavar="DAY", help="The day, such as 2024-12-24.")]
SchoolId = Annotated[int | None, school_option("Optional if there is one school.")]


@app.command()
def close(
    day: ClosedOn,
    *,
    last: Annotated[
        date | None, typer.Option("--to", parser=read_day, metavar="DAY", help="The last day. [default: DAY]")
    ] = None,
    reason: Annotated[str, typer.Option(help="The reason. It is shown when a class is marked on that day.")],
    from_time: Annotated[
        str | None, typer.Option(parser=read_time, metavar="HH:MM", help="Closed from then on. [default: all day]")
    ] = None,
    school_id: SchoolId = None,
    as_json: Json = False,
) -> None:
    """Close a school on a day, or with `--to` on a range of days, such as holidays. Existing records stay."""
    closed = ClosedDay(day, reason, from_time)
    rows = _run(school_id, lambda calendar, school: calendar.close_days(school, closed, last or day, system_caller()))
    items = [ClosedDayItem.model_validate(row) for row in rows]
    if marked := [item for item in items if item.marks]:
        days = ", ".join(f"{item.day} ({item.marks})" for item in marked)
        show_notice(f"these days have marks, which stay and no longer count in reports: {days}")
    if last is None:
        show_item(items[0], as_json=as_json)
    else:
        show_items(COLUMNS, items, as_json=as_json, dropped_first=DROPPED_FIRST, none="no closed days")


@app.command("open")
def open_again(
    day: ClosedOn,
    *,
    last: Annotated[
        date | None, typer.Option("--to", parser=read_day, metavar="DAY", help="The last day. [default: DAY]")
    ] = None,
    school_id: SchoolId = None,
    as_json: Json = False,
) -> None:
    """Open a school again on a closed day, or with `--to` on all closed days of a range."""
    opened = _run(school_id, lambda calendar, school: calendar.open_days(school, day, last or day, system_caller()))
    range_of_days = {} if last is None else {"to": last, "opened": opened}
    show_one({"date": day, **range_of_days, "closed": False}, as_json=as_json)


@app.command()
def show(
    *, first_day: FirstDay = None, last_day: LastDay = None, school_id: SchoolId = None, as_json: Json = False
) -> None:
    """Show the days on which a school is closed."""
    require_order(first_day, last_day)
    filters = ClosedDayFilters(first_day, last_day)
    rows = _run(
        school_id,
        lambda calendar, school: every_item(lambda page: calendar.closed_days(school, filters, system_caller(), page)),
    )
    items = [ClosedDayItem.model_validate(row) for row in rows]
    show_items(COLUMNS, items, as_json=as_json, dropped_first=DROPPED_FIRST, none="no closed days")


@app.command()
def terms(*, school_id: SchoolId = None, as_json: Json = False) -> None:
    """Show the terms of a school. It is closed outside of those that open it, if it has any."""
    rows = _run(
        school_id, lambda calendar, school: every_item(lambda page: calendar.terms(school, system_caller(), page))
    )
    items = [TermItem.model_validate(row) for row in rows]
    show_items(COLUMNS_OF_TERMS, items, as_json=as_json, dropped_first=("parentSourcedId", "type"), none="no terms")


def _run(school_id: int | None, work: Callable[[SchoolCalendar, int], Awaitable[Result]]) -> Result:
    """Runs `work` with the given school, by default the only one."""

    async def with_school(services: Services) -> Result:
        school = school_id or (await services[Schools].only(system_caller())).id
        return await work(services[SchoolCalendar], school)

    return run_with_services(with_school)
