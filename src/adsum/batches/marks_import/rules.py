"""Marks as CSV: `class,session,student,date,status,note,arrivedAt,leftAt`, one line for each mark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from adsum.attendance.rules import Mark
from adsum.platform.csv_files import CsvForm
from adsum.platform.days import WrongDay, plain_day
from adsum.platform.errors import Violation

MARKS = CsvForm("marks.csv", ("class", "session", "student", "date", "status"), ("note", "arrivedAt", "leftAt"))
MAX_ROWS = 200_000
MAX_BATCHES = 10_000


@dataclass(frozen=True, slots=True)
class MarkRow:
    """A line of marks, as far as it can be read without knowing the school; `line` counts from 1, the header."""

    line: int
    class_name: str
    session_name: str
    student_name: str
    day: date
    mark: Mark


def read_marks(content: bytes) -> Iterator[MarkRow | Violation]:
    """Each line, or what is wrong with its form. A date is a plain YYYY-MM-DD.

    Raises:
        Malformed: it is no UTF-8, or no CSV with these columns.
    """
    for line in MARKS.lines(content):
        if line.violation is not None:
            yield line.violation
            continue
        cells = line.cells
        try:
            day = plain_day(cells["date"])
        except WrongDay as error:
            yield MARKS.violation(line.number, Violation(error.code, str(error)))
            continue
        note, arrived_at, left_at = (cells.get(name) or None for name in MARKS.more)
        mark = Mark(cells["status"], note, arrived_at, left_at)
        yield MarkRow(line.number, cells["class"], cells["session"], cells["student"], day, mark)
