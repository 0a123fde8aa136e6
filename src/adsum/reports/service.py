"""Reports: rates, chronic absence, absences in a row, unexplained absences, and a student's own record."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TypeVar

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.platform.database.engine import Database
from adsum.platform.errors import Invalid, NotFound, Violation
from adsum.platform.paging import Key, Page, PageRequest, begin_of, page_of
from adsum.reports import repository as reports
from adsum.reports import rules
from adsum.reports.rates import Rate, days_of, names_told, parts_of, rates_by
from adsum.reports.repository import StudentDay
from adsum.reports.rules import ChronicRule, Counts, Definition, GroupBy, Scope, in_english, total
from adsum.reports.summaries import Summaries
from adsum.roster.student_repository import is_visible_student
from adsum.schools.service import require_school

MAX_DAYS = 800

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Report(Page[Row]):
    """One page of a report, and by which rule it was counted."""

    rule: Definition

    @property
    def definition(self) -> str:
        """The rule in English."""
        return in_english(self.rule)


@dataclass(frozen=True, slots=True)
class Streak:
    """A student who is absent on each of the newest days, since when."""

    student_id: int
    name: str | None
    days: int
    since: date


@dataclass(frozen=True, slots=True)
class Unexplained:
    """A day of a student with absences that nobody has explained."""

    day: StudentDay
    name: str | None


@dataclass(frozen=True, slots=True)
class StudentRecord:
    """A student's own record over some days."""

    student_id: int
    counts: Counts
    is_chronically_absent: bool
    days: Sequence[StudentDay]
    rule: Definition

    @property
    def definition(self) -> str:
        """Who is chronically absent, in English."""
        return in_english(self.rule)


class Reports:
    """Every method raises Forbidden without `attendance:read`, NotFound for a school that the caller does not see, and
    Invalid for days the wrong way round. Names are told to who has `roster:read`.
    """

    def __init__(self, database: Database, summaries: Summaries) -> None:
        self._database = database
        self._summaries = summaries

    async def rates(self, scope: Scope, by: GroupBy, caller: Caller, page: PageRequest) -> Report[Rate]:
        """Attendance rates by group, in the order of the groups. Raises Invalid for a wrong cursor, too."""
        await prepare(self._database, self._summaries, scope, caller)
        async with self._database.snapshot() as connection:
            rows = await rates_by(connection, scope, by, caller)
        found = _page([(row.position, row) for row in rows], page, ("rates", scope, by))
        return Report(found.items, found.next_cursor, rules.definition_of_rates())

    async def chronic(self, scope: Scope, rule: ChronicRule, caller: Caller, page: PageRequest) -> Report[Rate]:
        """Students who are chronically absent, those with the most days first."""
        await prepare(self._database, self._summaries, scope, caller)
        async with self._database.snapshot() as connection:
            rows = await rates_by(connection, scope, GroupBy.STUDENT, caller)
        # The most days first.
        chronic = [
            ((MAX_DAYS - row.counts.days_absent, *row.position), row) for row in rows if rule.applies(row.counts)
        ]
        found = _page(sorted(chronic, key=lambda each: each[0]), page, ("chronic", scope, rule))
        return Report(found.items, found.next_cursor, rules.definition_of_chronic(rule))

    async def streaks(self, scope: Scope, least: int, caller: Caller, page: PageRequest) -> Report[Streak]:
        """Students who are absent day after day up to now, those with the most days first."""
        await prepare(self._database, self._summaries, scope, caller)
        async with self._database.snapshot() as connection:
            of = await parts_of(connection, scope, caller)
            found = await reports.streaks(connection, of, least)
            names = await names_told(connection, caller, [student_id for student_id, _, _ in found])
        rows = [
            ((MAX_DAYS - days, student_id), Streak(student_id, names.get(student_id), days, since))
            for student_id, days, since in found
        ]
        paged = _page(rows, page, ("streaks", scope, least))
        return Report(paged.items, paged.next_cursor, rules.definition_of_streaks(least))

    async def unexplained(self, scope: Scope, caller: Caller, page: PageRequest) -> Report[Unexplained]:
        """Absences that nobody has explained, one line a student and day, the newest day first."""
        await prepare(self._database, self._summaries, scope, caller)
        query = ("unexplained", scope)
        after = begin_of(page, query, _day_and_student)
        async with self._database.snapshot() as connection:
            of = await days_of(connection, scope, caller)
            rows = await reports.unexplained_days(connection, of, after, page.limit + 1)
            names = await names_told(connection, caller, [row.student_id for row in rows])
        found = page_of(rows, page, query, lambda row: (row.day.toordinal(), row.student_id))
        items = [Unexplained(row, names.get(row.student_id)) for row in found.items]
        return Report(items, found.next_cursor, rules.definition_of_unexplained())

    async def student(self, scope: Scope, student_id: int, rule: ChronicRule, caller: Caller) -> StudentRecord:
        """One student's record, day by day.

        Raises:
            NotFound: the school has no such student, or the caller does not see them on any of these days.
        """
        await prepare(self._database, self._summaries, scope, caller)
        async with self._database.snapshot() as connection:
            if not await is_visible_student(connection, caller, scope.school_id, student_id):
                raise NotFound(f"there is no student {student_id}", studentId=student_id)
            of = await days_of(connection, replace(scope, student_id=student_id), caller)
            days = await reports.days_of_student(connection, of)
        counts = total(day.counts for day in days)
        return StudentRecord(student_id, counts, rule.applies(counts), days, rules.definition_of_chronic(rule))


async def prepare(database: Database, summaries: Summaries, scope: Scope, caller: Caller) -> None:
    """What comes before a report: whether the caller may have it, and summaries of all that was recorded.

    Raises:
        Forbidden: without `attendance:read`.
        NotFound: there is no such school, or the caller does not see it.
        Invalid: the days are the wrong way round, or too many.
    """
    require_permission(caller, Permission.ATTENDANCE_READ)
    violations = list(_validate_days(scope))
    if violations:
        raise Invalid(violations[0].detail, violations)
    async with database.snapshot() as connection:
        await require_school(connection, caller, scope.school_id)
    await summaries.refresh(scope.school_id)


def _validate_days(scope: Scope) -> Sequence[Violation]:
    if scope.last_day < scope.first_day:
        detail = f"the last day, {scope.last_day}, is before the first, {scope.first_day}"
        return [Violation("days_reversed", detail, "/query/to", {"in": "query", "name": "to"})]
    if scope.last_day - scope.first_day > timedelta(MAX_DAYS):
        detail = f"a report is of at most {MAX_DAYS} days"
        return [Violation("too_long", detail, "/query/to", {"in": "query", "name": "to", "maximum": MAX_DAYS})]
    return []


def _page(rows: Iterable[tuple[Key, Row]], page: PageRequest, query: object) -> Page[Row]:
    """A page of rows that are at hand, each with its place."""
    after = begin_of(page, query, lambda key: key)
    beyond = [(key, row) for key, row in rows if after is None or key > after]
    found = page_of(beyond, page, query, lambda each: each[0])
    return Page([row for _, row in found.items], found.next_cursor)


def _day_and_student(key: Key) -> tuple[date, int]:
    ordinal, student_id = key
    return date.fromordinal(ordinal), student_id
