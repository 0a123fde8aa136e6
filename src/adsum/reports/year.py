"""The numbers of a school year for the pages: totals, days, weeks, months, classes, grades and students."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.named_schools import require_school
from adsum.accounts.visibility import can_see_school
from adsum.attendance.statuses.repository import statuses_of_school
from adsum.attendance.statuses.rules import CountsAs, SchoolStatuses, StatusFlag
from adsum.platform.database.engine import Database
from adsum.platform.database.reading import StandbyReader
from adsum.platform.days import Span
from adsum.platform.texts import list_key
from adsum.reports.definitions import Definition, definition_of_chronic_absence, definition_of_rates
from adsum.reports.repository.reading import days_of_student, marks_of_student, newest_day, other_schools
from adsum.reports.repository.visible_days import visible_days
from adsum.reports.rules import (
    ChronicRule,
    Counts,
    GroupBy,
    Rate,
    ReportedMark,
    Scope,
    UsualDays,
    by_grade,
    month_after,
    rates_by_period,
    total,
    usual_days,
)
from adsum.reports.service import Summaries, has_summaries_of, prepare_report, rates_by
from adsum.roster.repository.students import grades_of_school
from adsum.schools.calendar.repository import list_terms
from adsum.schools.repository import missed_share_of

MAX_TERMS = 1_000
MAX_MARKS = 500
"""The marks on the page of a student."""


@dataclass(frozen=True, slots=True)
class YearOverview:
    """The numbers of a scope.

    Attributes:
        counts: the total.
        days: counts by day.
        weeks, months, classes, grades, students: rates by group. The rates of a class are those of the records made in
            it, whatever the grade of the students.
        chronic: the number of students who are chronically absent.
        rule, chronic_rule: the definitions of rates and of chronic absence.
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
class FilterOptions:
    """The filters that a page offers: classes with records in the period, and grades of the school."""

    classes: Sequence[Rate]
    grades: Sequence[str]


@dataclass(frozen=True, slots=True)
class StudentMarks:
    """Marks of a student, and the statuses of the school. `has_more`: older marks are left out."""

    items: Sequence[ReportedMark]
    statuses: SchoolStatuses
    has_more: bool = False


class Year:
    """Every method raises Forbidden without `attendance:read`, and NotFound for a school that the caller does not see;
    methods with a scope raise Invalid for days in the wrong order, or a period that is too long.
    """

    def __init__(self, database: Database, reader: StandbyReader, summaries: Summaries) -> None:
        self._database = database
        self._reader = reader
        self._summaries = summaries

    async def usual_days(self, school_id: int, caller: Caller, student_id: int | None = None) -> UsualDays | None:
        """The days of the school year up to the newest day that the caller sees; None without records.

        With a student, their days at other schools count, too: the school may have taken no register since they came.
        Of schools that the caller does not see, the month of the newest day is known, not the day.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        ever = Scope(school_id, date.min, date.max, None, student_id)
        async with self._database.snapshot() as connection:
            await require_school(connection, caller, school_id)
            others = [] if student_id is None else await other_schools(connection, caller, ever)
        for each in (school_id, *others):
            await self._summaries.refresh(each)
        async with self._database.snapshot() as connection:
            newest = await newest_day(connection, caller, school_id)
            if student_id is not None:
                statuses = await statuses_of_school(connection, school_id)
                days = await days_of_student(connection, visible_days(caller, ever, statuses))
                visible = [each.day for school_id, each in days if can_see_school(caller, school_id)]
                newest = max(visible + ([] if newest is None else [newest]), default=None)
                if newest is None:
                    newest = max((month_after(each.day) - timedelta(days=1) for _, each in days), default=None)
            terms = await list_terms(connection, school_id, 0, MAX_TERMS)
        spans = [Span(term.begin_date, term.end_date) for term in terms if term.opens_school]
        return None if newest is None else usual_days(newest, spans)

    async def overview(self, scope: Scope, rule: ChronicRule, caller: Caller) -> YearOverview:
        """All numbers. For a teacher, of the records in their classes on the days on which they taught them."""
        others = await prepare_report(self._database, self._summaries, scope, caller)
        async with self._reader.snapshot(caller, has_summaries_of(scope, others)) as connection:
            by_day = await rates_by(connection, scope, GroupBy.DAY, caller)
            students = await rates_by(connection, scope, GroupBy.STUDENT, caller)
            classes = await rates_by(connection, scope, GroupBy.CLASS, caller)
            grades = await grades_of_school(connection, scope.school_id)
            whole = by_day if scope.grade is None else await rates_by(connection, scope, GroupBy.SCHOOL, caller)
            missed_from = await missed_share_of(connection, scope.school_id)
        days = {rate.key: rate.counts for rate in by_day if isinstance(rate.key, date)}
        return YearOverview(
            counts=total(rate.counts for rate in whole),
            days=days,
            weeks=rates_by_period(days, GroupBy.WEEK, scope.first_day),
            months=rates_by_period(days, GroupBy.MONTH, scope.first_day),
            classes=classes,
            grades=_by_grade(students, grades),
            students=students,
            chronic=sum(rule.applies(rate.counts) for rate in students),
            rule=definition_of_rates(missed_from),
            chronic_rule=definition_of_chronic_absence(rule, missed_from),
        )

    async def filter_options(self, scope: Scope, caller: Caller) -> FilterOptions:
        """The filters that exist for the school and the days of a scope; its own filters do not matter."""
        others = await prepare_report(self._database, self._summaries, scope, caller, at_school=True)
        whole = replace(scope, class_id=None, student_id=None, grade=None)
        async with self._reader.snapshot(caller, has_summaries_of(scope, others)) as connection:
            classes = await rates_by(connection, whole, GroupBy.CLASS, caller)
            grades = await grades_of_school(connection, scope.school_id)
        return FilterOptions(
            sorted(classes, key=lambda each: list_key(each.name or "")),
            sorted({grade for of_student in grades.values() for grade in of_student}, key=list_key),
        )

    async def marks(self, scope: Scope, caller: Caller, *, every: bool = False) -> StudentMarks:
        """The absences, late arrivals and early departures of the scope's student, the newest first; or every mark."""
        others = await prepare_report(self._database, self._summaries, scope, caller, at_school=True)
        async with self._reader.snapshot(caller, has_summaries_of(scope, others)) as connection:
            statuses = await statuses_of_school(connection, scope.school_id)
            codes = [
                status.code
                for status in statuses
                if every
                or status.counts_as is CountsAs.ABSENT
                or (status.counts_as is CountsAs.ATTENDED and StatusFlag.LATE in status.flags)
            ]
            marks = await marks_of_student(connection, caller, scope, codes, MAX_MARKS + 1)
        return StudentMarks(marks[:MAX_MARKS], statuses, has_more=len(marks) > MAX_MARKS)


def _by_grade(students: Sequence[Rate], grades_of_student: Mapping[int, tuple[str, ...]]) -> list[Rate]:
    """Rates by the present grades of the students."""
    rows = [(grades_of_student.get(rate.key, ()), rate.counts) for rate in students if isinstance(rate.key, int)]
    return [Rate(grade, grade, counts, (place,)) for place, (grade, counts) in enumerate(by_grade(rows).items())]
