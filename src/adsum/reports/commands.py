"""`adsum report`: what a year of registers says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import Annotated, Any, TypeVar

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.choices import one_of
from adsum.platform.command_line.options import ClassId, read_day
from adsum.platform.command_line.output import Json, show_one, show_rows
from adsum.platform.command_line.session import with_adsum
from adsum.platform.ids import MAX_ID
from adsum.platform.paging import MAX_LIMIT, PageRequest
from adsum.reports.rates import Rate
from adsum.reports.rules import ChronicRule, Counts, GroupBy, Scope
from adsum.reports.service import Report
from adsum.wiring import Adsum

app = typer.Typer(no_args_is_help=True)
Row = TypeVar("Row")

RATES = ("key", "name", "sessions", "absent", "late", "attendanceRate", "days", "daysAbsent", "daysAttendanceRate")
DISPENSABLE = ("late", "sessions", "days", "absent")

First = Annotated[date, typer.Option("--from", parser=read_day, metavar="DATE", help="The first day.")]
Last = Annotated[
    date | None, typer.Option("--to", parser=read_day, metavar="DATE", help="The last day. [default: today]")
]
SchoolId = Annotated[
    int | None, typer.Option("--school", min=1, max=MAX_ID, metavar="ID", help="Needed where there are several.")
]
Grade = Annotated[str | None, typer.Option(help="Only students who are in this grade now.")]
Percent = Annotated[int, typer.Option(min=1, max=100, help="Of the days, or more.")]
LeastDays = Annotated[int, typer.Option(min=1, help="Of whom fewer days were taken, nothing is said.")]


@app.command()
def rates(
    *,
    by: Annotated[GroupBy, typer.Option(parser=one_of(GroupBy), metavar="|".join(GroupBy), help="By what.")],
    first_day: First,
    last_day: Last = None,
    school: SchoolId = None,
    class_id: ClassId = None,
    grade: Grade = None,
    as_json: Json = False,
) -> None:
    """Show attendance rates in percent, of sessions and of days."""
    found = _all(
        school,
        first_day,
        last_day,
        (class_id, grade),
        lambda adsum, scope, page: adsum.reports.rates(scope, by, system_caller(), page),
    )
    show_rows(RATES, [_rate(row) for row in found], as_json=as_json, dispensable=DISPENSABLE, none="nothing was taken")


@app.command()
def chronic(
    *,
    first_day: First,
    last_day: Last = None,
    percent: Percent = 10,
    least_days: LeastDays = 10,
    school: SchoolId = None,
    class_id: ClassId = None,
    grade: Grade = None,
    as_json: Json = False,
) -> None:
    """Show students who are absent on so many of their days, excused included."""
    rule = ChronicRule(percent, least_days)
    found = _all(
        school,
        first_day,
        last_day,
        (class_id, grade),
        lambda adsum, scope, page: adsum.reports.chronic(scope, rule, system_caller(), page),
    )
    show_rows(RATES, [_rate(row) for row in found], as_json=as_json, dispensable=DISPENSABLE, none="nobody is")


@app.command("in-a-row")
def streaks(
    *,
    first_day: First,
    last_day: Last = None,
    least_days: Annotated[int, typer.Option(min=1, help="Of how many days, at least.")] = 3,
    school: SchoolId = None,
    class_id: ClassId = None,
    grade: Grade = None,
    as_json: Json = False,
) -> None:
    """Show students who are absent day after day, up to the last day."""
    found = _all(
        school,
        first_day,
        last_day,
        (class_id, grade),
        lambda adsum, scope, page: adsum.reports.streaks(scope, least_days, system_caller(), page),
    )
    rows = [{"studentId": row.student_id, "name": row.name, "days": row.days, "since": row.since} for row in found]
    show_rows(("studentId", "name", "days", "since"), rows, as_json=as_json, none="nobody is")


@app.command()
def unexplained(
    *,
    first_day: First,
    last_day: Last = None,
    school: SchoolId = None,
    class_id: ClassId = None,
    grade: Grade = None,
    as_json: Json = False,
) -> None:
    """Show absences that nobody has explained, one line a student and day."""
    found = _all(
        school,
        first_day,
        last_day,
        (class_id, grade),
        lambda adsum, scope, page: adsum.reports.unexplained(scope, system_caller(), page),
    )
    rows = [
        {"date": row.day.day, "studentId": row.day.student_id, "name": row.name, "unexplained": row.day.unexplained}
        for row in found
    ]
    show_rows(("date", "studentId", "name", "unexplained"), rows, as_json=as_json, none="nothing is unexplained")


@app.command()
def student(
    student_id: Annotated[int, typer.Argument(min=1, max=MAX_ID, metavar="ID")],
    *,
    first_day: First,
    last_day: Last = None,
    percent: Percent = 10,
    least_days: LeastDays = 10,
    school: SchoolId = None,
    as_json: Json = False,
) -> None:
    """Show one student's counts, and whether they are chronically absent."""
    rule = ChronicRule(percent, least_days)

    async def work(adsum: Adsum) -> dict[str, Any]:
        scope = await _scope(adsum, school, first_day, last_day)
        record = await adsum.reports.student(scope, student_id, rule, system_caller())
        said = {"studentId": student_id, **_counts(record.counts)}
        return said | {"isChronicallyAbsent": record.is_chronically_absent, "definition": record.definition}

    show_one(with_adsum(work), as_json=as_json)


def _all(
    school: int | None,
    first_day: date,
    last_day: date | None,
    of: tuple[int | None, str | None],
    ask: Callable[[Adsum, Scope, PageRequest], Awaitable[Report[Row]]],
) -> list[Row]:
    async def work(adsum: Adsum) -> list[Row]:
        scope = await _scope(adsum, school, first_day, last_day, *of)
        found: list[Row] = []
        cursor: str | None = None
        while True:
            page = await ask(adsum, scope, PageRequest(cursor, MAX_LIMIT))
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                return found

    return with_adsum(work)


async def _scope(
    adsum: Adsum,
    school: int | None,
    first_day: date,
    last_day: date | None,
    class_id: int | None = None,
    grade: str | None = None,
) -> Scope:
    school_id = school or (await adsum.schools.only(system_caller())).id
    return Scope(school_id, first_day, last_day or datetime.now(UTC).date(), class_id, None, grade)


def _rate(rate: Rate) -> dict[str, Any]:
    return {"key": rate.key, "name": rate.name, **_counts(rate.counts)}


def _counts(counts: Counts) -> dict[str, Any]:
    """Under the names of the HTTP API."""
    return {
        "sessions": counts.sessions,
        "attended": counts.attended,
        "absent": counts.absent,
        "authorised": counts.authorised,
        "late": counts.late,
        "days": counts.days,
        "daysAbsent": counts.days_absent,
        "attendanceRate": counts.attendance_rate,
        "daysAttendanceRate": counts.days_attendance_rate,
    }
