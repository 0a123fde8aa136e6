"""Reports: what is counted, by which rule, and the sentence that says so beside the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from adsum.platform.days import Span

# Without terms nobody has said when a year begins.
USUAL_DAYS = 90
# A longer break than this between two terms parts two school years.
LONGEST_BREAK = timedelta(days=35)
A_YEAR = timedelta(days=365)


def whole_months(first_day: date, last_day: date) -> tuple[date, date] | None:
    """The months all of whose days are among these: the first day of the first, and the first day after the last.

    None: there is none.
    """
    begin = first_day if first_day.day == 1 else month_after(first_day)
    # Of whoever asks up to the last day of a month, all of it is asked.
    end = (last_day + timedelta(days=1)).replace(day=1)
    return (begin, end) if begin < end else None


def month_after(day: date) -> date:
    """The first day of the next month."""
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


class GroupBy(StrEnum):
    """By what rates are told."""

    SCHOOL = "school"
    CLASS = "class"
    GRADE = "grade"
    STUDENT = "student"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Scope:
    """Of what a report speaks: a school, the days from the first to the last, and what it is narrowed to."""

    school_id: int
    first_day: date
    last_day: date
    class_id: int | None = None
    student_id: int | None = None
    grade: str | None = None


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of those who were expected.

    Attributes:
        sessions: sessions of single students in which they were expected and which were taken.
        attended, absent: of these; late is attended, excused is absent.
        authorised: of the absent ones.
        late: of the attended ones.
        days: days of single students on which any such session was taken.
        days_absent: of these, with at least half of the time missed.
    """

    sessions: int = 0
    attended: int = 0
    absent: int = 0
    authorised: int = 0
    late: int = 0
    days: int = 0
    days_absent: int = 0

    @property
    def attendance_rate(self) -> float | None:
        """Percent of the sessions; None: there were none."""
        return _percent(self.attended, self.sessions)

    @property
    def days_attendance_rate(self) -> float | None:
        """Percent of the days; None: there were none."""
        return _percent(self.days - self.days_absent, self.days)


@dataclass(frozen=True, slots=True)
class ChronicRule:
    """Who is chronically absent: `percent` of the days or more, once there are `least_days`."""

    percent: int = 10
    least_days: int = 10

    def applies(self, counts: Counts) -> bool:
        return counts.days >= self.least_days and counts.days_absent * 100 >= self.percent * counts.days


def total(counts: Iterable[Counts]) -> Counts:
    """All of them together."""
    rows = [astuple(each) for each in counts]
    return Counts(*map(sum, zip(*rows, strict=True)))


def _percent(part: int, whole: int) -> float | None:
    return None if whole == 0 else round(100 * part / whole, 2)


@dataclass(frozen=True, slots=True)
class UsualDays:
    """The days of a report for which nobody has named any. `is_year`: they begin with the school year."""

    first: date
    last: date
    is_year: bool


def usual_days(newest: date, terms: Iterable[Span]) -> UsualDays:
    """What there is of the school year, or the last 90 days where the school has not said when it began.

    Args:
        newest: the last day on which anything was taken.
        terms: of the school. The year begins with the first of those that lead, without a long break between them, to
            the one with the newest day, and is never longer than a year.
    """
    begin: date | None = None
    for term in sorted(terms, key=lambda each: each.begin or date.min, reverse=True):
        leads_on = begin is not None and term.end is not None and begin - term.end <= LONGEST_BREAK
        if leads_on or term.covers(newest):
            begin = term.begin or date.min
    if begin is None:
        return UsualDays(newest - timedelta(days=USUAL_DAYS - 1), newest, is_year=False)
    return UsualDays(max(begin, newest - A_YEAR), newest, is_year=True)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a definition: words with places such as `%(percent)s`, which the pages translate, and what stands
    there.
    """

    words: str
    params: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def text(self) -> str:
        """In English."""
        return self.words % self.params


Definition = Sequence[Sentence]
"""By which rule something was counted."""


def in_english(definition: Definition) -> str:
    """All of it as one text."""
    return " ".join(sentence.text for sentence in definition)


_COUNTED = Sentence(
    "A session counts for a student who was expected in it once its register was taken and the school was open for it; "
    "late counts as attended, excused as absent."
)
_RATE = Sentence("The rate is the share that was attended, of sessions, and of days.")
_DAY = Sentence(
    "A day is absent when at least half of its taken session time was missed, by the timetable; where a session has no "
    "times, half of the sessions."
)
_UNEXPLAINED = Sentence("Absences whose status is not authorised, one line a student and day.")


def definition_of_rates() -> Definition:
    """How rates are counted."""
    return (_COUNTED, _RATE, _DAY)


def definition_of_chronic(rule: ChronicRule) -> Definition:
    """Who is chronically absent."""
    first = Sentence(
        "Absent, excused included, on at least %(percent)s %% of the days on which anything of theirs was taken, "
        "with at least %(days)s such days.",
        {"percent": rule.percent, "days": rule.least_days},
    )
    return (first, _DAY, _COUNTED)


def definition_of_streaks(least: int) -> Definition:
    """Who is absent day after day."""
    first = Sentence(
        "Absent on each of the newest %(days)s or more days of the period on which anything of theirs was taken.",
        {"days": least},
    )
    return (first, _DAY, _COUNTED)


def definition_of_unexplained() -> Definition:
    """Which absences nobody has explained."""
    return (_UNEXPLAINED, _COUNTED)
