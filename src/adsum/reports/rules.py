"""Values and decisions of reports: scopes, counts, chronic absence, periods, and the days of a school year."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from enum import StrEnum
from operator import attrgetter, sub
from typing import TypeVar

from adsum.platform.days import Span
from adsum.platform.errors import Violation
from adsum.platform.paging import Key
from adsum.platform.texts import ListOrder, list_key

MAX_DAYS = 800
"""The longest period of a report, in days."""

DEFAULT_STREAK_DAYS = 3
"""The report of absences in a row begins with this many days unless the caller chooses a number."""

MAX_LEAST_DAYS = 400
"""The largest minimum number of days that a caller can choose."""

# The days of a report of a school that has no terms.
DEFAULT_DAYS = 90
# A longer break between two terms separates two school years.
LONGEST_BREAK = timedelta(days=35)
A_YEAR = timedelta(days=365)


class GroupBy(StrEnum):
    """The groups of attendance rates."""

    SCHOOL = "school"
    CLASS = "class"
    GRADE = "grade"
    STUDENT = "student"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Extent(StrEnum):
    """The part of a day: all sessions in which the student was expected, or some of them."""

    ALL_DAY = "all-day"
    PART = "part"


@dataclass(frozen=True, slots=True)
class Scope:
    """The records that a report covers: a school, the first and the last day, and filters. None does not narrow."""

    school_id: int
    first_day: date
    last_day: date
    class_id: int | None = None
    student_id: int | None = None
    grade: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """Sessions and days of students.

    Attributes:
        sessions: pairs of a student and a session in which the student has a mark.
        attended, absent: of these; late counts as attended, excused as absent.
        authorised: of the absent ones.
        late: of the attended ones.
        days: pairs of a student and a day with any such session.
        days_absent: of these, with at least half of the time missed.
        minutes: of these sessions, as far as they have times.
        minutes_missed: of these; of an absence all, else those before the arrival and after the departure.
        unmarked: pairs of a student and a partly taken register without a mark of this student. No rate has them.
    """

    sessions: int = 0
    attended: int = 0
    absent: int = 0
    authorised: int = 0
    late: int = 0
    days: int = 0
    days_absent: int = 0
    minutes: int = 0
    minutes_missed: int = 0
    unmarked: int = 0

    def without(self, part: Counts) -> Counts:
        """These counts without a part of them."""
        return Counts(*map(sub, _numbers(self), _numbers(part)))

    @property
    def attendance_rate(self) -> float | None:
        """Percent of the sessions; None without sessions."""
        return _percent(self.attended, self.sessions)

    @property
    def days_attendance_rate(self) -> float | None:
        """Percent of the days; None without days."""
        return _percent(self.days - self.days_absent, self.days)


# Not `astuple`, which copies each number: reports add up thousands of counts.
_numbers: Callable[[Counts], tuple[int, ...]] = attrgetter(*(each.name for each in fields(Counts)))


def _percent(part: int, whole: int) -> float | None:
    return None if whole == 0 else round(100 * part / whole, 2)


def total(counts: Iterable[Counts]) -> Counts:
    """The sum of all counts."""
    return Counts(*map(sum, zip(*map(_numbers, counts), strict=True)))


def by_grade(students: Iterable[tuple[Sequence[str], Counts]]) -> dict[str | None, Counts]:
    """Counts by grade, of students with their grades. A student of several grades counts in each; None is no grade."""
    groups: defaultdict[str | None, list[Counts]] = defaultdict(list)
    for grades, counts in students:
        for grade in grades or (None,):
            groups[grade].append(counts)
    return {grade: total(groups[grade]) for grade in sorted(groups, key=grade_order)}


def grade_order(grade: str | None) -> tuple[bool, tuple[ListOrder, str]]:
    """The key that sorts grades: 9 before 10, and no grade last."""
    return grade is None, list_key(grade or "")


Group = TypeVar("Group")


def with_unmarked(counts: Mapping[Group, Counts], unmarked: Mapping[Group, int]) -> dict[Group, Counts]:
    """The counts of each group, with the unmarked students; a group may have these only. In the order of `counts`."""
    of_unmarked = {key: replace(counts.get(key, Counts()), unmarked=number) for key, number in unmarked.items()}
    return {**counts, **of_unmarked}


@dataclass(frozen=True, slots=True)
class ChronicRule:
    """Chronic absence: absent on `percent` of the days or more, with at least `least_days` days."""

    percent: int
    least_days: int

    def applies(self, counts: Counts) -> bool:
        return counts.days >= self.least_days and counts.days_absent * 100 >= self.percent * counts.days


DEFAULT_CHRONIC_RULE = ChronicRule(percent=10, least_days=10)
"""It holds unless a request chooses other numbers. No setting changes it."""


@dataclass(frozen=True, slots=True)
class Named:
    """The source id of a student or a class, and the name, if the caller may read it."""

    source_id: str | None = None
    name: str | None = None


NAMELESS = Named()


@dataclass(frozen=True, slots=True)
class Rate:
    """The counts of one group.

    Attributes:
        key: an id, the first day of the period, or a grade; None for students without a grade.
        name: of the class or student, if there is one and the caller may read it.
        counts: of the group.
        position: the sort key in the list.
        source_id: of the class or student.
    """

    key: int | str | date | None
    name: str | None
    counts: Counts
    position: Key
    source_id: str | None = None


@dataclass(frozen=True, slots=True)
class CountedDay:
    """A day of one student: the sessions in which the student was expected. `is_absent`: half of the time or more."""

    day: date
    student_id: int
    sessions: int
    attended: int
    absent: int
    authorised: int
    late: int
    is_absent: bool
    minutes: int = 0
    minutes_missed: int = 0
    unmarked: int = 0

    @property
    def unexplained(self) -> int:
        """Absent sessions whose status is not authorised."""
        return self.absent - self.authorised

    @property
    def counts(self) -> Counts:
        """The counts of this day alone."""
        return Counts(
            *(self.sessions, self.attended, self.absent, self.authorised, self.late),
            days=1 if self.sessions else 0,
            days_absent=1 if self.is_absent else 0,
            minutes=self.minutes,
            minutes_missed=self.minutes_missed,
            unmarked=self.unmarked,
        )


@dataclass(frozen=True, slots=True)
class ReportedMark:
    """The mark of one student in one session, and the id of its record.

    `status` is a code of the school; times are local 'HH:MM', or None.
    """

    record_id: int
    day: date
    class_title: str
    session_title: str
    status: str
    note: str | None
    arrived_at: str | None
    left_at: str | None


def days_with_unmarked(days: Iterable[CountedDay], student_id: int, unmarked: Mapping[date, int]) -> list[CountedDay]:
    """The days of a student in their order, with the sessions in which the student has no mark."""
    marked = {each.day: each for each in days}
    nothing = CountedDay(date.min, student_id, 0, 0, 0, 0, 0, is_absent=False)
    for day, number in unmarked.items():
        marked[day] = replace(marked.get(day, nothing), day=day, unmarked=number)
    return [marked[day] for day in sorted(marked)]


def rates_by_period(days: Mapping[date, Counts], by: GroupBy, first_day: date) -> list[Rate]:
    """The rates of days, grouped by day, week or month, or as one group of the school that begins on `first_day`."""
    groups: defaultdict[date, list[Counts]] = defaultdict(list)
    for day, counts in days.items():
        groups[_begin_of_period(day, by, first_day)].append(counts)
    return [Rate(begin, None, total(each), (begin.toordinal(),)) for begin, each in groups.items()]


def _begin_of_period(day: date, by: GroupBy, first_day: date) -> date:
    if by is GroupBy.SCHOOL:
        return first_day
    if by is GroupBy.MONTH:
        return day.replace(day=1)
    monday = day - timedelta(days=day.weekday())
    return monday if by is GroupBy.WEEK else day


def whole_months(first_day: date, last_day: date) -> tuple[date, date] | None:
    """The months that lie between these days as a whole.

    Returns:
        The first day of the first month, and the first day after the last month. None: there is no whole month.
    """
    begin = first_day if first_day.day == 1 else month_after(first_day)
    end = (last_day + timedelta(days=1)).replace(day=1)
    return (begin, end) if begin < end else None


def month_after(day: date) -> date:
    """The first day of the next month."""
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


def validate_scope(scope: Scope) -> Iterator[Violation]:
    """Yields a violation for days in the wrong order, and for a period that is too long."""
    if scope.last_day < scope.first_day:
        detail = f"the last day, {scope.last_day}, is before the first, {scope.first_day}"
        yield Violation("days_reversed", detail, "/query/to", {"in": "query", "name": "to"})
    elif scope.last_day - scope.first_day > timedelta(MAX_DAYS):
        detail = f"a report is of at most {MAX_DAYS} days"
        yield Violation("too_long", detail, "/query/to", {"in": "query", "name": "to", "maximum": MAX_DAYS})


@dataclass(frozen=True, slots=True)
class UsualDays:
    """The default period of a report. `is_year`: it begins with the school year."""

    first: date
    last: date
    is_year: bool


def usual_days(newest: date, terms: Iterable[Span]) -> UsualDays:
    """The school year up to the newest day, or 90 days if no term contains that day.

    Args:
        newest: the last day with a record.
        terms: of the school. The year begins with the first of the terms that lead, without a long break between them,
            to the term of the newest day. It is at most a year long.
    """
    begin: date | None = None
    for term in sorted(terms, key=lambda each: each.begin or date.min, reverse=True):
        leads_on = begin is not None and term.end is not None and begin - term.end <= LONGEST_BREAK
        if leads_on or term.covers(newest):
            begin = term.begin or date.min
    if begin is None:
        return UsualDays(newest - timedelta(days=DEFAULT_DAYS - 1), newest, is_year=False)
    return UsualDays(max(begin, newest - A_YEAR), newest, is_year=True)
