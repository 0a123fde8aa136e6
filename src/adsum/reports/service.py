"""Reports: rates, chronic absence, absences in a row, unexplained absences, and a student's own record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TypeVar, assert_never

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.named_schools import require_school
from adsum.accounts.visibility import can_see_school
from adsum.attendance.statuses.repository import statuses_of_school
from adsum.platform.database.engine import Connection, Database
from adsum.platform.database.reading import IsComplete, StandbyReader
from adsum.platform.errors import NotFound, refuse
from adsum.platform.paging import Key, PageRequest, RowPage, begin_of, page_of
from adsum.reports import definitions
from adsum.reports.definitions import Definition, in_english
from adsum.reports.repository import reading
from adsum.reports.repository.summaries import Days, stale_day, summarise
from adsum.reports.repository.unmarked import (
    unmarked_by_class,
    unmarked_by_day,
    unmarked_by_grade,
    unmarked_by_student,
    unmarked_of_student,
)
from adsum.reports.repository.visible_days import (
    VisiblePeriods,
    days_at_school,
    days_to_explain,
    visible_days,
    visible_periods,
)
from adsum.reports.rules import (
    MAX_DAYS,
    NAMELESS,
    ChronicRule,
    CountedDay,
    Counts,
    Extent,
    GroupBy,
    Named,
    Rate,
    Scope,
    days_with_unmarked,
    grade_order,
    rates_by_period,
    total,
    validate_scope,
    with_unmarked,
)
from adsum.roster.repository.students import is_visible_student_of_school
from adsum.schools.locks import lock_school
from adsum.schools.repository import missed_share_of

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Report(RowPage[Row]):
    """One page of a report, its definition, and the number of unmarked students of its scope."""

    rule: Definition
    unmarked: int

    @property
    def definition(self) -> str:
        """The definition in English."""
        return in_english(self.rule)


@dataclass(frozen=True, slots=True)
class Streak:
    """A student who is absent on each of the newest `days` days, beginning with `since`."""

    student_id: int
    name: str | None
    days: int
    since: date
    source_id: str | None


@dataclass(frozen=True, slots=True)
class Unexplained:
    """A day of a student with absences that are not authorised."""

    day: CountedDay
    student: Named


@dataclass(frozen=True, slots=True)
class StudentRecord:
    """The record of one student over a period. `rule` defines chronic absence.

    Attributes:
        student_id: the student.
        counts: of all schools, by the rule.
        elsewhere: of these, the counts of days at schools that the caller does not see.
        is_chronically_absent: by all counts.
        days: those at schools that the caller sees.
        rule: of chronic absence.
    """

    student_id: int
    counts: Counts
    elsewhere: Counts
    is_chronically_absent: bool
    days: Sequence[CountedDay]
    rule: Definition

    @property
    def definition(self) -> str:
        """The definition in English."""
        return in_english(self.rule)


class Summaries:
    """Keeps the summaries from which reports read up to date. Recording a class never waits for it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def refresh(self, school_id: int, days: Days | None = None) -> int:
        """Summarises each stale day of a school, one day in a transaction. Costs one query if no day is stale.

        Args:
            school_id: of the school.
            days: the first and the last day; None: every day.

        Returns:
            The number of days.
        """
        refreshed = 0
        while (day := await self._stale_day(school_id, days)) is not None:
            async with self._database.transaction() as connection:
                await lock_school(connection, school_id)
                # The previous holder of the lock may have summarised this day. A second time gives the same rows.
                await summarise(connection, school_id, day, await statuses_of_school(connection, school_id))
            refreshed += 1
        return refreshed

    async def _stale_day(self, school_id: int, days: Days | None) -> date | None:
        async with self._database.autocommit_read() as connection:
            return await stale_day(connection, school_id, days)


class Reports:
    """Every method raises Forbidden without `attendance:read`, NotFound for a school that the caller does not see, and
    Invalid for days in the wrong order, a period that is too long, or a wrong cursor. Names need `roster:read`.
    """

    def __init__(self, database: Database, reader: StandbyReader, summaries: Summaries) -> None:
        self._database = database
        self._reader = reader
        self._summaries = summaries

    async def rates(self, scope: Scope, by: GroupBy, caller: Caller, page: PageRequest) -> Report[Rate]:
        """Attendance rates by group, in the order of the groups."""
        others = await prepare_report(
            self._database, self._summaries, scope, caller, at_school=_is_at_school(scope, by)
        )
        async with self._reader.snapshot(caller, has_summaries_of(scope, others)) as connection:
            rows = await rates_by(connection, scope, by, caller)
            # A student of several grades is in several groups, and once in the report.
            once = await unmarked_by_student(connection, caller, scope) if by is GroupBy.GRADE else None
            missed_from = await missed_share_of(connection, scope.school_id)
        unmarked = _unmarked(rows) if once is None else sum(once.values())
        found = _page([(row.position, row) for row in rows], page, ("rates", scope, by))
        return Report(found.items, found.next_cursor, definitions.definition_of_rates(missed_from), unmarked)

    async def chronic(self, scope: Scope, rule: ChronicRule, caller: Caller, page: PageRequest) -> Report[Rate]:
        """Students who are chronically absent, the most absent days first."""
        others = await prepare_report(self._database, self._summaries, scope, caller)
        async with self._reader.snapshot(caller, has_summaries_of(scope, others)) as connection:
            rows = await rates_by(connection, scope, GroupBy.STUDENT, caller)
            missed_from = await missed_share_of(connection, scope.school_id)
        chronic = [
            ((MAX_DAYS - row.counts.days_absent, *row.position), row) for row in rows if rule.applies(row.counts)
        ]
        found = _page(sorted(chronic, key=lambda each: each[0]), page, ("chronic", scope, rule))
        definition = definitions.definition_of_chronic_absence(rule, missed_from)
        return Report(found.items, found.next_cursor, definition, _unmarked(rows))

    async def streaks(self, scope: Scope, least_days: int, caller: Caller, page: PageRequest) -> Report[Streak]:
        """Students who are absent on each of their newest days, the most days first."""
        others = await prepare_report(self._database, self._summaries, scope, caller)
        async with self._reader.snapshot(caller, has_summaries_of(scope, others)) as connection:
            periods = await _periods(connection, scope, caller)
            found = await reading.find_streaks(connection, periods, least_days)
            named = await reading.named_students(connection, caller, [student_id for student_id, _, _ in found])
            unmarked = await unmarked_by_student(connection, caller, scope)
            missed_from = await missed_share_of(connection, scope.school_id)
        rows = [
            ((MAX_DAYS - days, student_id), _streak(student_id, days, since, named.get(student_id, NAMELESS)))
            for student_id, days, since in found
        ]
        paged = _page(rows, page, ("streaks", scope, least_days))
        rule = definitions.definition_of_streaks(least_days, missed_from)
        return Report(paged.items, paged.next_cursor, rule, sum(unmarked.values()))

    async def unexplained(
        self, scope: Scope, caller: Caller, page: PageRequest, extent: Extent | None = None
    ) -> Report[Unexplained]:
        """Absences that are not authorised, one item for each student and day, the newest day first.

        `extent`: only students who were absent all day, or only those who attended a part of it.
        """
        others = await prepare_report(self._database, self._summaries, scope, caller, at_school=True)
        query = ("unexplained", scope, extent)
        after = begin_of(page, query, _day_and_student)
        async with self._reader.snapshot(caller, has_summaries_of(scope, others)) as connection:
            # Without days at other schools: their absences are explained there.
            statuses = await statuses_of_school(connection, scope.school_id)
            missed_from = await missed_share_of(connection, scope.school_id)
            days = days_to_explain(caller, scope, statuses, by_minutes=missed_from is not None)
            rows = await reading.unexplained_days(connection, days, extent, after, page.limit + 1)
            named = await reading.named_students(connection, caller, [row.student_id for row in rows])
            unmarked = await unmarked_by_student(connection, caller, scope, at_school=True)
        found = page_of(rows, page, query, lambda row: (row.day.toordinal(), row.student_id))
        items = [Unexplained(row, named.get(row.student_id, NAMELESS)) for row in found.items]
        definition = definitions.definition_of_unexplained(missed_from)
        return Report(items, found.next_cursor, definition, sum(unmarked.values()))

    async def student(self, scope: Scope, student_id: int, rule: ChronicRule, caller: Caller) -> StudentRecord:
        """The record of one student, day by day. The audit log says who has read it.

        Raises:
            NotFound: the school has no such student, or the caller never sees them.
        """
        scope = replace(scope, student_id=student_id)
        others = await prepare_report(self._database, self._summaries, scope, caller)
        async with self._database.snapshot() as connection:
            if not await is_visible_student_of_school(connection, caller, scope.school_id, student_id):
                raise NotFound(f"there is no student {student_id}", studentId=student_id)
            statuses = await statuses_of_school(connection, scope.school_id)
            # Most students are of one school. The statements for others cost more.
            find_days = visible_days if others else days_at_school
            marked = await reading.days_of_student(connection, find_days(caller, scope, statuses))
            unmarked = await unmarked_of_student(connection, caller, scope, at_school=not others)
            missed_from = await missed_share_of(connection, scope.school_id)
        async with self._database.transaction() as connection:
            await record(connection, caller, Action.STUDENT_READ, school_id=scope.school_id, student_id=student_id)
        schools = {school_id for school_id, _ in (*marked, *unmarked)}
        hidden = {school_id for school_id in schools if not can_see_school(caller, school_id)}
        every = _days_of_student(student_id, marked, unmarked, except_at=())
        days = _days_of_student(student_id, marked, unmarked, except_at=hidden) if hidden else every
        counts = total(day.counts for day in every)
        elsewhere = counts.without(total(day.counts for day in days)) if hidden else Counts()
        definition = definitions.definition_of_chronic_absence(rule, missed_from)
        return StudentRecord(student_id, counts, elsewhere, rule.applies(counts), days, definition)


async def prepare_report(
    database: Database, summaries: Summaries, scope: Scope, caller: Caller, *, at_school: bool = False
) -> list[int]:
    """Checks that the caller may read the report, and refreshes the summaries of the school.

    Unless `at_school`, also the days of the scope at the other schools of its students, which count at their home
    school as `visible_days` has it.

    Returns:
        The ids of the other schools.

    Raises:
        Forbidden: without `attendance:read`.
        NotFound: there is no such school, or the caller does not see it.
        Invalid: the days are in the wrong order, or too many.
    """
    require_permission(caller, Permission.ATTENDANCE_READ)
    refuse(list(validate_scope(scope)))
    async with database.snapshot() as connection:
        await require_school(connection, caller, scope.school_id)
        others = [] if at_school else await reading.other_schools(connection, caller, scope)
    await summaries.refresh(scope.school_id)
    for school_id in others:
        await summaries.refresh(school_id, (scope.first_day, scope.last_day))
    return others


def has_summaries_of(scope: Scope, others: Sequence[int]) -> IsComplete:
    """Whether a standby has the summaries that `prepare_report` has refreshed on the primary, now or before."""
    days = (scope.first_day, scope.last_day)

    async def has_summaries(connection: Connection) -> bool:
        stale = [await stale_day(connection, scope.school_id)]
        stale += [await stale_day(connection, each, days) for each in others]
        return stale.count(None) == len(stale)

    return has_summaries


async def rates_by(connection: Connection, scope: Scope, by: GroupBy, caller: Caller) -> list[Rate]:
    """The rates of all groups that have records, in the order of the groups."""
    match by:
        case GroupBy.STUDENT:
            by_student = await reading.counts_by_student(connection, await _periods(connection, scope, caller))
            unmarked = await unmarked_by_student(connection, caller, scope)
            return _rates_by_id(
                with_unmarked(by_student, unmarked),
                await reading.named_students(connection, caller, [*{*by_student, *unmarked}]),
            )
        case GroupBy.CLASS:
            statuses = await statuses_of_school(connection, scope.school_id)
            by_class = await reading.counts_by_class(connection, caller, scope, statuses)
            unmarked = await unmarked_by_class(connection, caller, scope)
            return _rates_by_id(
                with_unmarked(by_class, unmarked),
                await reading.named_classes(connection, caller, [*{*by_class, *unmarked}]),
            )
        case GroupBy.GRADE:
            marked = await reading.counts_by_grade(connection, await _periods(connection, scope, caller))
            by_grade = with_unmarked(marked, await unmarked_by_grade(connection, caller, scope))
            ordered = sorted(by_grade.items(), key=lambda each: grade_order(each[0]))
            return [Rate(grade, grade, counts, (place,)) for place, (grade, counts) in enumerate(ordered)]
        case GroupBy.SCHOOL | GroupBy.DAY | GroupBy.WEEK | GroupBy.MONTH:
            statuses = await statuses_of_school(connection, scope.school_id)
            only_visible = by is not GroupBy.SCHOOL
            marked = await reading.counts_by_day(connection, caller, scope, statuses, only_visible=only_visible)
            unmarked = await unmarked_by_day(connection, caller, scope, only_visible=only_visible)
            by_day = with_unmarked(marked, unmarked)
            return rates_by_period(dict(sorted(by_day.items())), by, scope.first_day)
    assert_never(by)


def _is_at_school(scope: Scope, by: GroupBy) -> bool:
    """Whether `rates_by` reads the days at the school of the scope alone."""
    is_of_students = by in {GroupBy.STUDENT, GroupBy.GRADE} or scope.student_id is not None or scope.grade is not None
    return by is GroupBy.CLASS or not is_of_students


def _rates_by_id(counts: Mapping[int, Counts], named: Mapping[int, Named]) -> list[Rate]:
    found = (
        (id_, of_group, named.get(id_, NAMELESS)) for id_, of_group in sorted(counts.items(), key=lambda each: each[0])
    )
    return [Rate(id_, each.name, of_group, (id_,), each.source_id) for id_, of_group, each in found]


def _unmarked(rates: Iterable[Rate]) -> int:
    return sum(rate.counts.unmarked for rate in rates)


def _streak(student_id: int, days: int, since: date, student: Named) -> Streak:
    return Streak(student_id, student.name, days, since, student.source_id)


def _days_of_student(
    student_id: int,
    marked: Iterable[tuple[int, CountedDay]],
    unmarked: Iterable[tuple[int, date]],
    *,
    except_at: Container[int],
) -> list[CountedDay]:
    """The days of a student, with sessions in which they have no mark, except those at some schools."""
    of_day = Counter(day for school_id, day in unmarked if school_id not in except_at)
    return days_with_unmarked((day for school_id, day in marked if school_id not in except_at), student_id, of_day)


async def _periods(connection: Connection, scope: Scope, caller: Caller) -> VisiblePeriods:
    return visible_periods(caller, scope, await statuses_of_school(connection, scope.school_id))


def _page(rows: Iterable[tuple[Key, Row]], page: PageRequest, query: object) -> RowPage[Row]:
    """A page of rows that are in memory, each with its sort key."""
    after = begin_of(page, query, lambda key: key)
    beyond = [(key, row) for key, row in rows if after is None or key > after]
    found = page_of(beyond, page, query, lambda each: each[0])
    return RowPage([row for _, row in found.items], found.next_cursor)


def _day_and_student(key: Key) -> tuple[date, int]:
    ordinal, student_id = key
    return date.fromordinal(ordinal), student_id
