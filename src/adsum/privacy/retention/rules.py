"""Retention periods, and the days before which they delete.

A school year has twelve months and begins on the first day of a month, which a school chooses. A day is kept for a
number of whole years after the end of its school year: with 5 years and August, all days of 2025/26 go on 1 August
2031. So a school year goes at once, and reports never show a part of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from enum import StrEnum

from adsum.platform.errors import Conflict, Violation

MIN_YEARS = 1
MAX_YEARS = 100
FOREVER = 0
FIRST_MONTH = 8


class Kind(StrEnum):
    """A kind of data with a period of its own. Periods of records and notes are those of their days, of an absence its
    last day's, and of a student the day after their last enrolment.
    """

    RECORDS = "records"
    NOTES = "notes"
    ABSENCES = "absences"
    STUDENTS = "students"


class DeletionNotConfirmed(Conflict):
    """A change would delete more than before. The params have the counts, and the code that confirms them."""

    code = "deletion_not_confirmed"


@dataclass(frozen=True, slots=True)
class Periods:
    """Years for each kind, and the month in which a school year begins. 0 years: for ever; None: not set here."""

    records: int | None = None
    notes: int | None = None
    absences: int | None = None
    students: int | None = None
    first_month: int | None = None

    def over(self, default: Periods) -> Periods:
        """These periods, and those of the default where these are not set."""
        own, others = asdict(self), asdict(default)
        return Periods(**{name: others[name] if own[name] is None else own[name] for name in own})

    def cutoffs(self, today: date) -> dict[Kind, date]:
        """The kinds that are not kept for ever, each with the day before which it goes.

        A student goes after their records and absences, so at the earliest of the three days.
        """
        found: dict[Kind, date] = {}
        for kind in Kind:
            years: int | None = getattr(self, kind.value)
            if years:
                found[kind] = cutoff(today, years, self.first_month or FIRST_MONTH)
        if Kind.STUDENTS in found:
            needed = [found.get(each) for each in (Kind.STUDENTS, Kind.RECORDS, Kind.ABSENCES)]
            days = [day for day in needed if day is not None]
            if len(days) == len(needed):
                found[Kind.STUDENTS] = min(days)
            else:
                del found[Kind.STUDENTS]
        return found


NO_PERIODS = Periods()


def school_year(day: date, first_month: int) -> date:
    """The first day of the school year of a day."""
    return date(day.year if day.month >= first_month else day.year - 1, first_month, 1)


def cutoff(today: date, years: int, first_month: int) -> date:
    """The day before which data go: the first day of a school year. Data of this day and later ones are kept."""
    begin = school_year(today, first_month)
    return begin.replace(year=max(date.min.year, begin.year - years))


def validate_periods(periods: Periods) -> Iterator[Violation]:
    """The violations of periods, with pointers to the fields of the API."""
    for each in fields(periods):
        value: int | None = getattr(periods, each.name)
        if value is None:
            continue
        if each.name == "first_month":
            if not 1 <= value <= 12:
                yield Violation("out_of_range", "a month is 1 to 12", "/firstMonth", {"minimum": 1, "maximum": 12})
        elif value != FOREVER and not MIN_YEARS <= value <= MAX_YEARS:
            detail = f"{each.name} are kept for {MIN_YEARS} to {MAX_YEARS} years after the school year, or for ever"
            params = {"minimum": MIN_YEARS, "maximum": MAX_YEARS}
            yield Violation("out_of_range", detail, f"/{each.name}", params)


@dataclass(frozen=True, slots=True)
class Due:
    """The rows of one kind and school year that are due: their number, the first and the last of their days."""

    school_id: int
    kind: str
    year: date
    count: int
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True)
class Preview:
    """Data that a run would delete. `held`: the students on hold, whose data stay. `cutoffs`: by school and kind."""

    items: Sequence[Due]
    cutoffs: Mapping[int, Mapping[Kind, date]]
    held: int

    @property
    def confirmation(self) -> str:
        """A code of these counts and days. It changes when they change."""
        cutoffs = {
            str(school_id): {kind.value: day.isoformat() for kind, day in days.items()}
            for school_id, days in self.cutoffs.items()
        }
        counts = [[due.school_id, due.kind, due.year.isoformat(), due.count] for due in self.items]
        text = json.dumps([cutoffs, counts, self.held], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def deletes_more(before: Mapping[Kind, date], after: Mapping[Kind, date]) -> bool:
    """Whether any day before which data go is later than it was, or new."""
    return any(kind not in before or day > before[kind] for kind, day in after.items())


def summed(school_id: int, kind: str, first_month: int, days: Mapping[date, int]) -> list[Due]:
    """The days of one kind by school year."""
    by_year: dict[date, list[date]] = {}
    for day in sorted(days):
        by_year.setdefault(school_year(day, first_month), []).append(day)
    return [
        Due(school_id, kind, year, sum(days[day] for day in of_year), of_year[0], of_year[-1])
        for year, of_year in by_year.items()
    ]
