"""`adsum student`, `adsum class` and `adsum session`: the students, classes and sessions of the roster, with their ids.

Further commands of these groups are in the packages of their features: see `GROUPS` in `adsum.main`.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Annotated

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.options import (
    ClassId,
    SchoolId,
    SearchWords,
    SourcedId,
    class_option,
    read_day,
    student_option,
)
from adsum.platform.command_line.output import Json, show_items
from adsum.platform.command_line.session import run_with, run_with_services
from adsum.platform.paging import every_item
from adsum.platform.services import Services
from adsum.roster.rules import ClassFilters, SessionFilters, SessionRow, StudentFilters
from adsum.roster.schemas import ClassItem, SessionItem, StudentItem
from adsum.roster.service import Directory, Naming

student_app = typer.Typer(no_args_is_help=True)
class_app = typer.Typer(no_args_is_help=True)
session_app = typer.Typer(no_args_is_help=True)

STUDENTS = ("id", "familyName", "givenName", "grade", "schoolId", "sourcedId", "active")
CLASSES = ("id", "title", "code", "schoolId", "sourcedId", "active")
SESSIONS = ("id", "classId", "class", "period", "title", "beginDate", "endDate", "active")

Active = Annotated[bool, typer.Option("--active", help="Only classes that the newest roster file contains.")]
Inactive = Annotated[
    bool, typer.Option("--inactive", help="Only classes that the newest roster file no longer contains.")
]
EnrolledOn = Annotated[
    date | None,
    typer.Option(
        "--date",
        parser=read_day,
        metavar="DATE",
        help="Only students who are enrolled on this day. [default with --class: today]",
    ),
]
ValidOn = Annotated[
    date | None,
    typer.Option("--date", parser=read_day, metavar="DATE", help="Only sessions that are valid on this day."),
]


@student_app.command("list")
def list_students(
    *,
    school_id: SchoolId = None,
    class_id: Annotated[int | None, class_option("Only students who are enrolled in this class.")] = None,
    day: EnrolledOn = None,
    search: SearchWords = None,
    sourced_id: SourcedId = None,
    as_json: Json = False,
) -> None:
    """Show students, by id."""
    filters = StudentFilters(search, sourced_id, class_id, day, school_id)
    rows = run_with(
        Directory, lambda directory: every_item(lambda page: directory.students(system_caller(), filters, page))
    )
    items = [StudentItem.of(row) for row in rows]
    show_items(STUDENTS, items, as_json=as_json, dropped_first=("sourcedId", "active", "grade"), none="no students")


@class_app.command("list")
def list_classes(
    *,
    school_id: SchoolId = None,
    student_id: Annotated[int | None, student_option("Only classes in which this student is enrolled today.")] = None,
    active: Active = False,
    inactive: Inactive = False,
    search: SearchWords = None,
    sourced_id: SourcedId = None,
    as_json: Json = False,
) -> None:
    """Show classes, by id."""
    if active and inactive:
        raise typer.BadParameter("give either --active or --inactive")
    filters = ClassFilters(school_id, search, sourced_id, active if active or inactive else None, student_id)
    rows = run_with(
        Directory, lambda directory: every_item(lambda page: directory.classes(system_caller(), filters, page))
    )
    items = [ClassItem.of(row) for row in rows]
    show_items(CLASSES, items, as_json=as_json, dropped_first=("sourcedId", "active", "code"), none="no classes")


@session_app.command("list")
def list_sessions(
    *, school_id: SchoolId = None, class_id: ClassId = None, day: ValidOn = None, as_json: Json = False
) -> None:
    """Show sessions, by id."""
    filters = SessionFilters(class_id, school_id, day)

    async def work(services: Services) -> tuple[list[SessionRow], dict[int, str]]:
        directory, caller = services[Directory], system_caller()
        rows = await every_item(lambda page: directory.sessions(caller, filters, page))
        of_classes = () if as_json else [row.class_id for row in rows]
        return rows, await services[Naming].names_of_classes(of_classes, caller)

    rows, classes = run_with_services(work)
    items = [SessionItem.of(row) for row in rows]
    dropped_first = ("active", "endDate", "beginDate", "title")
    show_items(
        SESSIONS, items, as_json=as_json, dropped_first=dropped_first, none="no sessions", names={"class": classes}
    )


async def names_unless_json(services: Services, student_ids: Collection[int], *, as_json: bool) -> dict[int, str]:
    """The names of students, by id, for the column `student` of a table; none for JSON, which has ids alone."""
    return {} if as_json else await services[Naming].names_of_students(student_ids, system_caller())
