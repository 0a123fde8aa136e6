"""A year of a school as twelve small calendars."""

from __future__ import annotations

from calendar import Calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from adsum.platform.days import Span
from adsum.schools.calendar.rules import RecordedClosedDay


@dataclass(frozen=True, slots=True)
class YearDay:
    """One day. `closed`: what the school says, if it is closed then; `is_in_term`: or there are no terms at all."""

    day: date
    closed: RecordedClosedDay | None
    is_in_term: bool
    is_today: bool


@dataclass(frozen=True, slots=True)
class Month:
    """One month by weeks; None stands for a day of the month before or after."""

    first: date
    weeks: Sequence[Sequence[YearDay | None]]


def year_of(
    year: int, closed: Mapping[date, RecordedClosedDay], terms: Sequence[Span], today: date, first_weekday: int
) -> list[Month]:
    """The months of a year.

    Args:
        year: of the calendar.
        closed: the closed days of that year.
        terms: all that the school has; none: it is open all year.
        today: of the school.
        first_weekday: on which weeks begin; 0 is Monday.
    """

    def shown(day: date, month: int) -> YearDay | None:
        if day.month != month:
            return None
        is_in_term = not terms or any(term.covers(day) for term in terms)
        return YearDay(day, closed.get(day), is_in_term, day == today)

    weeks = Calendar(first_weekday).monthdatescalendar
    return [
        Month(date(year, month, 1), [[shown(day, month) for day in week] for week in weeks(year, month)])
        for month in range(1, 13)
    ]
