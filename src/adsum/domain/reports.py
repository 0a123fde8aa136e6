"""Reports: what is counted, by which rule, and the sentence that says so beside the numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from datetime import date
from enum import StrEnum


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


_COUNTED = (
    "A session counts for a student who was expected in it once its register was taken and the school was open for it; "
    "late counts as attended, excused as absent."
)
_DAY = (
    "A day is absent when at least half of its taken session time was missed, by the timetable; where a session has no "
    "times, half of the sessions."
)


def definition_of_rates() -> str:
    """How rates are counted."""
    return f"{_COUNTED} The rate is the share that was attended, of sessions, and of days. {_DAY}"


def definition_of_chronic(rule: ChronicRule) -> str:
    """Who is chronically absent."""
    return (
        f"Absent, excused included, on at least {rule.percent} % of the days on which anything of theirs was taken, "
        f"with at least {rule.least_days} such days. {_DAY} {_COUNTED}"
    )


def definition_of_streaks(least: int) -> str:
    """Who is absent day after day."""
    return (
        f"Absent on each of the newest {least} or more days of the period on which anything of theirs was taken. "
        f"{_DAY} {_COUNTED}"
    )


def definition_of_unexplained() -> str:
    """Which absences nobody has explained."""
    return f"Absences whose status is not authorised, one line a student and day. {_COUNTED}"
