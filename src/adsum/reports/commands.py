"""`adsum report`: attendance rates and lists of absent students."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Annotated, TypeVar

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.notices import show_notice
from adsum.platform.command_line.options import ClassId, one_of, read_day, school_option
from adsum.platform.command_line.output import Json, show_item, show_items, show_one
from adsum.platform.command_line.session import run_with_services
from adsum.platform.days import today_in
from adsum.platform.ids import MAX_ID
from adsum.platform.paging import PageRequest, every_item
from adsum.platform.services import Services
from adsum.reports.rules import DEFAULT_CHRONIC_RULE, DEFAULT_STREAK_DAYS, ChronicRule, Extent, GroupBy, Scope
from adsum.reports.schemas import RateItem, StreakItem, StudentRecordAnswer, UnexplainedItem
from adsum.reports.service import Report, Reports, StudentRecord
from adsum.schools.service import Schools

app = typer.Typer(no_args_is_help=True)
Row = TypeVar("Row")

RATES = (
    "key",
    "name",
    "sessions",
    "absent",
    "late",
    "attendanceRate",
    "days",
    "daysAbsent",
    "daysAttendanceRate",
    "unmarked",
    "minutesMissed",
)
OF_STUDENTS = {
    "key": "Student id",
    "attendanceRate": "Attendance %",
    "daysAttendanceRate": "Attendance % of days",
}
KEYS = {
    GroupBy.SCHOOL: "School id",
    GroupBy.CLASS: "Class id",
    GroupBy.GRADE: "Grade",
    GroupBy.STUDENT: "Student id",
    GroupBy.DAY: "Day",
    GroupBy.WEEK: "Week from",
    GroupBy.MONTH: "Month from",
}
DROPPED_FIRST = ("late", "minutesMissed", "sessions", "days", "absent")

First = Annotated[date, typer.Option("--from", parser=read_day, metavar="DATE", help="The first day.")]
Last = Annotated[
    date | None, typer.Option("--to", parser=read_day, metavar="DATE", help="The last day. [default: today]")
]
SchoolId = Annotated[int | None, school_option("Required if there are several.")]
Grade = Annotated[str | None, typer.Option(help="Only students who are in this grade now.")]
Percent = Annotated[int, typer.Option(min=1, max=100, help="Minimum percentage of the days.")]
LeastDays = Annotated[int, typer.Option(min=1, help="Leave out students with fewer days.")]


@app.command()
def rates(
    *,
    by: Annotated[
        GroupBy, typer.Option(parser=one_of(GroupBy), metavar="|".join(GroupBy), help="The grouping of the rates.")
    ],
    first_day: First,
    last_day: Last = None,
    school: SchoolId = None,
    class_id: ClassId = None,
    grade: Grade = None,
    as_json: Json = False,
) -> None:
    """Show attendance rates in percent, of sessions and of days."""
    found = _every_item(
        lambda services: report_scope(services, school, first_day, last_day, class_id, grade),
        lambda reports, scope, page: reports.rates(scope, by, system_caller(), page),
    )
    items = [RateItem.of(rate) for rate in found]
    headings = OF_STUDENTS | {"key": KEYS[by]}
    show_items(
        RATES, items, as_json=as_json, dropped_first=DROPPED_FIRST, none="nothing is recorded", headings=headings
    )


@app.command()
def chronic(
    *,
    first_day: First,
    last_day: Last = None,
    percent: Percent = DEFAULT_CHRONIC_RULE.percent,
    least_days: LeastDays = DEFAULT_CHRONIC_RULE.least_days,
    school: SchoolId = None,
    class_id: ClassId = None,
    grade: Grade = None,
    as_json: Json = False,
) -> None:
    """Show students who are chronically absent, excused absences included."""
    found = _every_item(
        lambda services: report_scope(services, school, first_day, last_day, class_id, grade),
        lambda reports, scope, page: reports.chronic(scope, ChronicRule(percent, least_days=1), system_caller(), page),
    )
    rule = ChronicRule(percent, least_days)
    items = [RateItem.of(rate) for rate in found if rule.applies(rate.counts)]
    show_items(
        RATES,
        items,
        as_json=as_json,
        dropped_first=DROPPED_FIRST,
        none="no student is chronically absent",
        headings=OF_STUDENTS,
    )
    if left_out := len(found) - len(items):
        show_notice(
            f"left out: {left_out} who {'is' if left_out == 1 else 'are'} absent as often, "
            f"with fewer than {least_days} days: see --least-days"
        )


@app.command("in-a-row")
def streaks(
    *,
    first_day: First,
    last_day: Last = None,
    least_days: Annotated[int, typer.Option(min=1, help="Minimum number of days.")] = DEFAULT_STREAK_DAYS,
    school: SchoolId = None,
    class_id: ClassId = None,
    grade: Grade = None,
    as_json: Json = False,
) -> None:
    """Show students who are absent on consecutive days, up to the last day."""
    found = _every_item(
        lambda services: report_scope(services, school, first_day, last_day, class_id, grade),
        lambda reports, scope, page: reports.streaks(scope, least_days, system_caller(), page),
    )
    items = [StreakItem.of(streak) for streak in found]
    show_items(("studentId", "name", "days", "since"), items, as_json=as_json, none="no student is absent in a row")


@app.command()
def unexplained(
    *,
    first_day: First,
    last_day: Last = None,
    school: SchoolId = None,
    class_id: ClassId = None,
    grade: Grade = None,
    extent: Annotated[
        Extent | None, typer.Option(help="Only absences from all sessions of the day, or only from a part of them")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show unexplained absences, one line per student and day."""
    found = _every_item(
        lambda services: report_scope(services, school, first_day, last_day, class_id, grade),
        lambda reports, scope, page: reports.unexplained(scope, system_caller(), page, extent),
    )
    items = [UnexplainedItem.of(each) for each in found]
    columns = ("date", "studentId", "name", "unexplained", "sessions")
    show_items(columns, items, as_json=as_json, none="no unexplained absences")


@app.command()
def student(
    student_id: Annotated[int, typer.Argument(min=1, max=MAX_ID, metavar="ID")],
    *,
    first_day: First,
    last_day: Last = None,
    percent: Percent = DEFAULT_CHRONIC_RULE.percent,
    least_days: LeastDays = DEFAULT_CHRONIC_RULE.least_days,
    school: SchoolId = None,
    as_json: Json = False,
) -> None:
    """Show one student's counts, and whether they are chronically absent."""
    rule = ChronicRule(percent, least_days)

    async def work(services: Services) -> StudentRecord:
        scope = await report_scope(services, school, first_day, last_day)
        return await services[Reports].student(scope, student_id, rule, system_caller())

    answer = StudentRecordAnswer.of(run_with_services(work))
    if as_json:
        show_item(answer, as_json=True)
    else:
        show_one(answer.model_dump(by_alias=True, exclude={"calendar"}), as_json=False)


def _every_item(
    scope_of: Callable[[Services], Awaitable[Scope]],
    fetch_page: Callable[[Reports, Scope, PageRequest], Awaitable[Report[Row]]],
) -> list[Row]:
    async def work(services: Services) -> list[Row]:
        scope = await scope_of(services)
        reports: list[Report[Row]] = []

        async def fetch(page: PageRequest) -> Report[Row]:
            reports.append(await fetch_page(services[Reports], scope, page))
            return reports[-1]

        items = await every_item(fetch)
        if reports[0].unmarked:
            show_notice(f"{_missing(reports[0].unmarked)} missing in partly taken registers")
        return items

    return run_with_services(work)


def _missing(unmarked: int) -> str:
    return "1 mark is" if unmarked == 1 else f"{unmarked} marks are"


async def report_scope(
    services: Services,
    school_id: int | None,
    first_day: date,
    last_day: date | None,
    class_id: int | None = None,
    grade: str | None = None,
) -> Scope:
    """The scope of a report. Without a last day it ends with today in the time zone of the school."""
    schools, caller = services[Schools], system_caller()
    school = await schools.only(caller) if school_id is None else await schools.find(school_id, caller)
    last_day = last_day or today_in(school.time_zone, services.clock())
    return Scope(school.id, first_day, last_day, class_id, None, grade)
