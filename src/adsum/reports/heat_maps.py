"""A calendar heat map: one cell for each day, one column for each week, and an appearance for the counts of the day."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from adsum.platform.days import A_DAY
from adsum.reports.rules import Counts

WEEKDAYS: Final = 7
SCHOOL_DAYS: Final = 5
WIDTH: Final = 980
SMALLEST: Final = 17
LARGEST: Final = 30
# The look of a day of many students gets one step darker at each of these percentages of absence.
STEPS: Final = (2, 5, 10, 20)


class Look(StrEnum):
    """The look of a cell. Looks differ in form as well as in colour, so that they differ in grayscale, too."""

    NOTHING = "nothing"
    LEAST = "step-0"
    LITTLE = "step-1"
    SOME = "step-2"
    MUCH = "step-3"
    MOST = "step-4"
    ATTENDED = "attended"
    LATE = "late"
    PARTLY = "partly"
    AUTHORISED = "authorised"
    ABSENT = "absent"


OF_MANY: Final = (Look.LEAST, Look.LITTLE, Look.SOME, Look.MUCH, Look.MOST)
OF_ONE: Final = (Look.ATTENDED, Look.LATE, Look.PARTLY, Look.AUTHORISED, Look.ABSENT)


@dataclass(frozen=True, slots=True)
class Cell:
    """A day and its position: `column` is the week, `row` the weekday; both begin with 0."""

    day: date
    column: int
    row: int
    counts: Counts | None
    look: Look


@dataclass(frozen=True, slots=True)
class HeatMap:
    """A heat map.

    Attributes:
        cells: in the order of days.
        months: a day of each month that has a label, and the column above which the label is.
        columns, rows: their numbers. Without records on Saturdays and Sundays, the map leaves these days out.
        pitch: the distance between cells in pixels. A map of a few weeks has larger cells.
        looks: the looks that the legend explains.
    """

    cells: Sequence[Cell]
    months: Sequence[tuple[date, int]]
    columns: int
    rows: int
    pitch: int
    looks: Sequence[Look]

    @property
    def weekdays(self) -> Sequence[date]:
        """A day for each row, for the label of the weekday."""
        monday = date(2024, 1, 1)
        return [monday + row * A_DAY for row in range(self.rows)]

    @property
    def days_with_counts(self) -> Sequence[Cell]:
        """The cells with counts, for the table below the map."""
        return [cell for cell in self.cells if cell.counts is not None]


def map_of_many(first: date, last: date, days: Mapping[date, Counts]) -> HeatMap:
    """The absence in a class or a school on each day."""
    return _map(first, last, days, look_of_many, OF_MANY)


def map_of_one(first: date, last: date, days: Mapping[date, Counts]) -> HeatMap:
    """The attendance of one student on each day."""
    return _map(first, last, days, look_of_one, OF_ONE)


def look_of_many(counts: Counts) -> Look:
    """The look for a share of missed sessions."""
    return OF_MANY[sum(100 * counts.absent >= step * counts.sessions for step in STEPS)]


def look_of_one(counts: Counts) -> Look:
    """The look for the worst mark of the day. Whether the day is absent follows the rule of reports."""
    if counts.days_absent:
        return Look.AUTHORISED if counts.absent == counts.authorised else Look.ABSENT
    if counts.absent:
        return Look.PARTLY
    return Look.LATE if counts.late else Look.ATTENDED


def _map(
    first: date, last: date, days: Mapping[date, Counts], look: Callable[[Counts], Look], looks: Sequence[Look]
) -> HeatMap:
    rows = WEEKDAYS if any(day.weekday() >= SCHOOL_DAYS for day in days) else SCHOOL_DAYS
    monday = first - first.weekday() * A_DAY
    shown = [first + number * A_DAY for number in range((last - first).days + 1)]
    cells = [
        Cell(day, (day - monday).days // WEEKDAYS, day.weekday(), found, _look(found, look))
        for day in shown
        if day.weekday() < rows
        for found in [days.get(day)]
    ]
    columns = (last - monday).days // WEEKDAYS + 1
    return HeatMap(cells, _months(cells), columns, rows, _pitch(columns), looks)


def _look(counts: Counts | None, look: Callable[[Counts], Look]) -> Look:
    """A day with unmarked students only looks like a day without a register."""
    return look(counts) if counts is not None and counts.sessions else Look.NOTHING


def _months(cells: Sequence[Cell]) -> list[tuple[date, int]]:
    """Each month with the column of its first cell. The first month is left out if the next label would overlap it."""
    begins: dict[date, int] = {}
    for cell in cells:
        begins.setdefault(cell.day.replace(day=1), cell.column)
    months = list(begins.items())
    too_near = len(months) > 1 and months[1][1] - months[0][1] < 2
    return months[1:] if too_near else months


def _pitch(columns: int) -> int:
    """The largest pitch at which the map fits into a wide window."""
    return min(LARGEST, max(SMALLEST, WIDTH // columns))
