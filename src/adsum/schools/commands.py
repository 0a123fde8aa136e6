"""`adsum school`: schools, their settings, and the history of these."""

from __future__ import annotations

from typing import Annotated

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.options import time_zone_given
from adsum.platform.command_line.output import Json, show_item, show_items
from adsum.platform.command_line.session import run_with
from adsum.platform.days import weekday_named
from adsum.platform.ids import MAX_ID
from adsum.platform.paging import every_item
from adsum.schools.rules import MAX_EDIT_WINDOW_DAYS, School, SchoolChange, SchoolSettings, weekdays_text
from adsum.schools.schemas import SchoolChangeItem, SchoolItem
from adsum.schools.service import Schools

app = typer.Typer(no_args_is_help=True)

COLUMNS = (
    "id",
    "name",
    "timeZone",
    "editWindowDays",
    "missedFromPercent",
    "weekdays",
    "officeManagesLogins",
    "sourcedId",
)
CHANGE = ("changedAt", "setting", "oldValue", "newValue", "changedByRole", "changedByUserId")
EVER = "ever"
NEVER = "never"
SchoolId = Annotated[
    int | None, typer.Option("--school", min=1, max=MAX_ID, metavar="ID", help="Required if there are several.")
]


def _edit_window(text: str) -> str:
    """A number of days, or `ever`."""
    if text != EVER and not (text.isdecimal() and int(text) <= MAX_EDIT_WINDOW_DAYS):
        raise typer.BadParameter(f"{text!r} is neither a number of days up to {MAX_EDIT_WINDOW_DAYS} nor {EVER}")
    return text


def _share(text: str) -> str:
    """A percentage, or `never`."""
    if text != NEVER and not (text.isdecimal() and 1 <= int(text) <= 100):
        raise typer.BadParameter(f"{text!r} is neither a percentage from 1 to 100 nor {NEVER}")
    return text


def _weekdays(text: str) -> str:
    """Weekdays and ranges of them, such as `Mon-Fri,6`, as they are stored."""
    days: set[int] = set()
    for item in text.split(","):
        first, *more = [weekday_named(name) for name in item.split("-")]
        last = more[0] if more else first
        if first is None or last is None or len(more) > 1 or last < first:
            raise typer.BadParameter(f"{item!r} is no weekday or range of weekdays, such as 1-5 or Mon-Fri")
        days.update(range(first, last + 1))
    return weekdays_text(days)


@app.command("list")
def list_schools(*, as_json: Json = False) -> None:
    """Show every school."""
    rows = run_with(Schools, lambda schools: every_item(lambda page: schools.page(system_caller(), page)))
    show_items(COLUMNS, [SchoolItem.model_validate(row) for row in rows], as_json=as_json, none="no schools")


@app.command()
def change(
    *,
    time_zone: Annotated[
        str | None,
        typer.Option("--timezone", parser=time_zone_given, metavar="ZONE", help="An IANA name, such as Europe/Berlin."),
    ] = None,
    edit_window: Annotated[
        str | None,
        typer.Option(
            parser=_edit_window,
            metavar="DAYS|ever",
            help="Days after a learning date within which teachers may mark and correct. Later, only the office may, "
            "with a reason.",
        ),
    ] = None,
    missed_from: Annotated[
        str | None,
        typer.Option(
            parser=_share,
            metavar="PERCENT|never",
            help="A session of which a student missed this share of the minutes counts as absent in reports.",
        ),
    ] = None,
    weekdays: Annotated[
        str | None,
        typer.Option(
            parser=_weekdays,
            metavar="DAYS",
            help="The weekdays on which sessions without times meet, such as 1-5 or Mon-Fri,Sat; 1 is Monday.",
        ),
    ] = None,
    office_logins: Annotated[
        bool | None,
        typer.Option(
            "--office-logins/--no-office-logins",
            show_default=False,
            help="Whether the office manages the logins of teachers and viewers.",
        ),
    ] = None,
    school: SchoolId = None,
    as_json: Json = False,
) -> None:
    """Change settings of a school from now on. Records keep their days."""
    settings = SchoolSettings()
    if time_zone is not None:
        settings["time_zone"] = time_zone
    if edit_window is not None:
        settings["edit_window_days"] = None if edit_window == EVER else int(edit_window)
    if missed_from is not None:
        settings["missed_from_percent"] = None if missed_from == NEVER else int(missed_from)
    if weekdays is not None:
        settings["weekdays"] = weekdays
    if office_logins is not None:
        settings["office_manages_logins"] = office_logins
    if not settings:
        detail = "nothing to change: use --timezone, --edit-window, --missed-from, --weekdays or --office-logins"
        raise typer.BadParameter(detail, param_hint="--timezone")

    async def changed(schools: Schools) -> School:
        return await schools.change(await _school(schools, school), settings, system_caller())

    show_item(SchoolItem.model_validate(run_with(Schools, changed)), as_json=as_json)


@app.command()
def history(*, school: SchoolId = None, as_json: Json = False) -> None:
    """Show every change of a school's settings, the newest first."""

    async def changes(schools: Schools) -> list[SchoolChange]:
        school_id = await _school(schools, school)
        return await every_item(lambda page: schools.changes(school_id, system_caller(), page))

    items = [SchoolChangeItem.of(each) for each in run_with(Schools, changes)]
    show_items(CHANGE, items, as_json=as_json, none="no changes")


async def _school(schools: Schools, school_id: int | None) -> int:
    return school_id or (await schools.only(system_caller())).id
