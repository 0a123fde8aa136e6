"""A timetable as CSV: `class,session,weekday,begins,ends`, one line for each time that a session meets in a week."""

from __future__ import annotations

from dataclasses import dataclass

from adsum.domain.calendar import SessionTime, flaws_of_times
from adsum.domain.csv_forms import CsvForm, Line
from adsum.errors import Flaw

TIMETABLE = CsvForm("timetable.csv", ("class", "session", "weekday", "begins", "ends"))


@dataclass(frozen=True, slots=True)
class TimetableRow:
    """A line of a timetable; `line` counts from 1, which is the header. `flaws` tell what is wrong with its form."""

    line: int
    class_name: str
    session_name: str
    time: SessionTime
    flaws: tuple[Flaw, ...] = ()


def read_timetable(content: bytes) -> list[TimetableRow]:
    """The lines of a timetable, those that are blank left out. The columns may stand in any order.

    Raises:
        Malformed: it is no UTF-8, or no CSV with these columns.
    """
    return [_row(line) for line in TIMETABLE.lines(content)]


def row_flaw(line: int, flaw: Flaw) -> Flaw:
    """The flaw, with the line in which it stands."""
    return TIMETABLE.flaw(line, flaw)


def _row(line: Line) -> TimetableRow:
    if line.flaw is not None:
        return TimetableRow(line.number, "", "", SessionTime(0, "", ""), (line.flaw,))
    cells = line.cells
    weekday = int(cells["weekday"]) if cells["weekday"] in {"1", "2", "3", "4", "5", "6", "7"} else 0
    time = SessionTime(weekday, cells["begins"], cells["ends"])
    flaws = tuple(row_flaw(line.number, flaw) for _, flaw in flaws_of_times([time]))
    return TimetableRow(line.number, cells["class"], cells["session"], time, flaws)
