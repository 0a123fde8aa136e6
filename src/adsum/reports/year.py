"""What the pages show of a year together, read once: totals, days, weeks, months, classes, grades and students."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.attendance.statuses.repository import find_statuses
from adsum.attendance.statuses.rules import CountsAs, SchoolStatuses, StatusFlag
from adsum.platform.database.engine import Database
from adsum.platform.days import Span
from adsum.reports.rates import Rate, by_period, rates_by
from adsum.reports.repository import newest_day
from adsum.reports.rules import (
    ChronicRule,
    Counts,
    Definition,
    GroupBy,
    Scope,
    UsualDays,
    definition_of_chronic,
    definition_of_rates,
    total,
    usual_days,
)
from adsum.reports.service import prepare
from adsum.reports.student_marks import StudentMark, marks_of_student
from adsum.reports.summaries import Summaries
from adsum.roster.student_repository import grades_of_school
from adsum.schools.calendar.repository import list_terms
from adsum.schools.service import require_school

MAX_TERMS = 1_000


@dataclass(frozen=True, slots=True)
class Overview:
    """A school, or what it was narrowed to, over some days.

    Attributes:
        counts: of everybody on all of the days.
        days: what became of those who were expected, day by day.
        weeks, months, classes, grades, students: rates of what was asked for. Of classes it is what was recorded in
            them, whatever grade their students are in.
        chronic: how many of the students are chronically absent.
        rule, chronic_rule: how rates, and who is chronically absent, were counted.
    """

    counts: Counts
    days: Mapping[date, Counts]
    weeks: Sequence[Rate]
    months: Sequence[Rate]
    classes: Sequence[Rate]
    grades: Sequence[Rate]
    students: Sequence[Rate]
    chronic: int
    rule: Definition
    chronic_rule: Definition


@dataclass(frozen=True, slots=True)
class Choices:
    """To what reports of some days can be narrowed: classes in which anything was taken, and grades of the school."""

    classes: Sequence[Rate]
    grades: Sequence[str]


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of a student that somebody may have to explain, and the statuses of their school."""

    items: Sequence[StudentMark]
    statuses: SchoolStatuses


class Year:
    """Every method raises Forbidden without `attendance:read`, and NotFound for a school that the caller does not see;
    those that take a scope Invalid for days the wrong way round, or too many.
    """

    def __init__(self, database: Database, summaries: Summaries) -> None:
        self._database = database
        self._summaries = summaries

    async def usual_days(self, school_id: int, caller: Caller) -> UsualDays | None:
        """The days of the school year up to the newest that the caller sees; None: nothing is recorded."""
        require_permission(caller, Permission.ATTENDANCE_READ)
        async with self._database.snapshot() as connection:
            await require_school(connection, caller, school_id)
        await self._summaries.refresh(school_id)
        async with self._database.snapshot() as connection:
            newest = await newest_day(connection, caller, school_id)
            terms = await list_terms(connection, school_id, 0, MAX_TERMS)
        return None if newest is None else usual_days(newest, [Span(term.begin_date, term.end_date) for term in terms])

    async def overview(self, scope: Scope, rule: ChronicRule, caller: Caller) -> Overview:
        """All of it. A teacher sees what was recorded in their classes, on the days on which they taught them."""
        await prepare(self._database, self._summaries, scope, caller)
        async with self._database.snapshot() as connection:
            by_day = await rates_by(connection, scope, GroupBy.DAY, caller)
            students = await rates_by(connection, scope, GroupBy.STUDENT, caller)
            classes = await rates_by(connection, scope, GroupBy.CLASS, caller)
            grade_of = await grades_of_school(connection, scope.school_id)
        days = {rate.key: rate.counts for rate in by_day if isinstance(rate.key, date)}
        return Overview(
            counts=total(days.values()),
            days=days,
            weeks=by_period(days, GroupBy.WEEK, scope.first_day),
            months=by_period(days, GroupBy.MONTH, scope.first_day),
            classes=classes,
            grades=_by_grade(students, grade_of),
            students=students,
            chronic=sum(rule.applies(rate.counts) for rate in students),
            rule=definition_of_rates(),
            chronic_rule=definition_of_chronic(rule),
        )

    async def choices(self, scope: Scope, caller: Caller) -> Choices:
        """To what a report of the school on these days can be narrowed, whatever the scope is narrowed to."""
        await prepare(self._database, self._summaries, scope, caller)
        whole = replace(scope, class_id=None, student_id=None, grade=None)
        async with self._database.snapshot() as connection:
            classes = await rates_by(connection, whole, GroupBy.CLASS, caller)
            grades = await grades_of_school(connection, scope.school_id)
        return Choices(classes, sorted({grade for grade in grades.values() if grade is not None}))

    async def marks(self, scope: Scope, caller: Caller) -> Marks:
        """Every mark of the scope's student that is an absence, or late, the newest first."""
        await prepare(self._database, self._summaries, scope, caller)
        async with self._database.snapshot() as connection:
            statuses = (await find_statuses(connection, [scope.school_id]))[scope.school_id]
            codes = [
                status.code
                for status in statuses
                if status.counts_as is CountsAs.ABSENT
                or (status.counts_as is CountsAs.ATTENDED and StatusFlag.LATE in status.flags)
            ]
            return Marks(await marks_of_student(connection, caller, scope, codes), statuses)


def _by_grade(students: Sequence[Rate], grade_of: Mapping[int, str | None]) -> list[Rate]:
    """By the grade that students are in now; those without one last."""
    together: defaultdict[str | None, list[Counts]] = defaultdict(list)
    for rate in students:
        assert isinstance(rate.key, int)
        together[grade_of.get(rate.key)].append(rate.counts)
    ordered = sorted(together.items(), key=lambda item: (item[0] is None, item[0] or ""))
    return [Rate(grade, grade, total(each), (place,)) for place, (grade, each) in enumerate(ordered)]
