"""Rates of a school by group: read from summaries, put together by week and month, named for people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import assert_never

from adsum.accounts.access import Caller, Permission
from adsum.attendance.statuses.repository import find_statuses
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.platform.database.engine import Connection
from adsum.platform.paging import Key
from adsum.reports import repository as reports
from adsum.reports.rules import Counts, GroupBy, Scope, total
from adsum.reports.visible_summaries import Days, Parts, days_seen, parts_seen


@dataclass(frozen=True, slots=True)
class Rate:
    """The counts of one group.

    Attributes:
        key: an id, the first day of the group, or a grade; None: students without a grade.
        name: for people, where there is one and the caller may know it.
        counts: of the group.
        position: its place in the list.
    """

    key: int | str | date | None
    name: str | None
    counts: Counts
    position: Key


async def rates_by(connection: Connection, scope: Scope, by: GroupBy, caller: Caller) -> list[Rate]:
    """The rates of all groups that have any, in their order."""
    match by:
        case GroupBy.STUDENT:
            of_students = await reports.counts_by_student(connection, await parts_of(connection, scope, caller))
            names = await names_told(connection, caller, list(of_students))
            return _of_ids(of_students, names)
        case GroupBy.CLASS:
            of_classes = await reports.counts_by_class(connection, caller, scope, await _statuses(connection, scope))
            may_know = caller.may(Permission.ROSTER_READ)
            return _of_ids(of_classes, await reports.titles_of(connection, list(of_classes)) if may_know else {})
        case GroupBy.GRADE:
            of_grades = await reports.counts_by_grade(connection, await parts_of(connection, scope, caller))
            return [Rate(grade, grade, counts, (i,)) for i, (grade, counts) in enumerate(of_grades.items())]
        case GroupBy.SCHOOL | GroupBy.DAY | GroupBy.WEEK | GroupBy.MONTH:
            of_days = await reports.counts_by_day(connection, caller, scope, await _statuses(connection, scope))
            return by_period(of_days, by, scope.first_day)
        case _:
            assert_never(by)


async def days_of(connection: Connection, scope: Scope, caller: Caller) -> Days:
    """The days of students that the caller sees."""
    return days_seen(caller, scope, await _statuses(connection, scope))


async def parts_of(connection: Connection, scope: Scope, caller: Caller) -> Parts:
    """The same days, by the month where a month is asked for as a whole."""
    return parts_seen(caller, scope, await _statuses(connection, scope))


async def names_told(connection: Connection, caller: Caller, student_ids: Sequence[int]) -> dict[int, str]:
    """The names of students, to who may know them."""
    return await reports.names_of(connection, student_ids) if caller.may(Permission.ROSTER_READ) else {}


async def _statuses(connection: Connection, scope: Scope) -> SchoolStatuses:
    return (await find_statuses(connection, [scope.school_id]))[scope.school_id]


def by_period(of_days: Mapping[date, Counts], by: GroupBy, first_day: date) -> list[Rate]:
    """The rates of days put together by week, month, or, as one group that begins on `first_day`, by school."""
    together: defaultdict[date, list[Counts]] = defaultdict(list)
    for day, counts in of_days.items():
        together[_first_of(day, by, first_day)].append(counts)
    return [Rate(first, None, total(each), (first.toordinal(),)) for first, each in together.items()]


def _first_of(day: date, by: GroupBy, first_day: date) -> date:
    """The first day of the period that a day is in; weeks begin on Monday."""
    if by is GroupBy.SCHOOL:
        return first_day
    if by is GroupBy.MONTH:
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if by is GroupBy.WEEK else day


def _of_ids(counts: Mapping[int, Counts], names: Mapping[int, str]) -> list[Rate]:
    return [Rate(each, names.get(each), of_each, (each,)) for each, of_each in counts.items()]
