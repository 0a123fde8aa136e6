"""A timetable as CSV: `class,session,weekday,begins,ends`, one line for each time that a session meets in a week."""

from __future__ import annotations

from dataclasses import dataclass

from adsum.platform.csv_files import CsvForm, Line
from adsum.platform.errors import Violation
from adsum.schools.calendar.rules import SessionTime, validate_times

TIMETABLE = CsvForm("timetable.csv", ("class", "session", "weekday", "begins", "ends"))


@dataclass(frozen=True, slots=True)
class TimetableRow:
    """A line of a timetable; `line` counts from 1, which is the header. `violations` are those of its form."""

    line: int
    class_name: str
    session_name: str
    time: SessionTime
    violations: tuple[Violation, ...] = ()


def read_timetable(content: bytes) -> list[TimetableRow]:
    """The lines of a timetable, those that are blank left out. The columns may stand in any order.

    Raises:
        Malformed: it is no UTF-8, or no CSV with these columns.
    """
    return [_row(line) for line in TIMETABLE.lines(content)]


def row_violation(line: int, violation: Violation) -> Violation:
    """The violation, with the line in which it stands."""
    return TIMETABLE.violation(line, violation)


def _row(line: Line) -> TimetableRow:
    if line.violation is not None:
        return TimetableRow(line.number, "", "", SessionTime(0, "", ""), (line.violation,))
    cells = line.cells
    weekday = int(cells["weekday"]) if cells["weekday"] in {"1", "2", "3", "4", "5", "6", "7"} else 0
    time = SessionTime(weekday, cells["begins"], cells["ends"])
    violations = tuple(row_violation(line.number, violation) for _, violation in validate_times([time]))
    return TimetableRow(line.number, cells["class"], cells["session"], time, violations)
