"""A timetable as CSV: `class,session,weekday,begins,ends`, one line for each time that a session meets in a week."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from adsum.domain.calendar import SessionTime, flaws_of_times
from adsum.errors import Flaw, Malformed

COLUMNS = ("class", "session", "weekday", "begins", "ends")
FILE = "timetable.csv"


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
    try:
        reader = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
        header = [name.strip().lower() for name in next(reader, ())]
        if sorted(header) != sorted(COLUMNS):
            raise _unreadable(f"the first line has to name the columns {','.join(COLUMNS)}, and no others")
        return list(_rows(reader, header))
    except UnicodeDecodeError:
        raise _unreadable("this is no text in UTF-8") from None
    except csv.Error as error:
        raise _unreadable(f"this is no CSV: {error}") from None


def row_flaw(line: int, flaw: Flaw) -> Flaw:
    """The flaw, with the line in which it stands."""
    return Flaw(flaw.code, f"line {line}: {flaw.detail}", f"{FILE}:{line}", {**flaw.params, "file": FILE, "row": line})


def _rows(reader: Iterator[list[str]], header: list[str]) -> Iterator[TimetableRow]:
    for line, cells in enumerate(reader, start=2):
        stripped = [cell.strip() for cell in cells]
        if len(cells) == len(header):
            yield _row(line, dict(zip(header, stripped, strict=True)))
        elif any(stripped):
            detail = f"there are {len(cells)} cells under {len(header)} columns"
            flaw = row_flaw(line, Flaw("wrong_form", detail))
            yield TimetableRow(line, "", "", SessionTime(0, "", ""), (flaw,))


def _row(line: int, cells: dict[str, str]) -> TimetableRow:
    weekday = int(cells["weekday"]) if cells["weekday"] in {"1", "2", "3", "4", "5", "6", "7"} else 0
    time = SessionTime(weekday, cells["begins"], cells["ends"])
    flaws = tuple(row_flaw(line, flaw) for _, flaw in flaws_of_times([time]))
    return TimetableRow(line, cells["class"], cells["session"], time, flaws)


def _unreadable(detail: str) -> Malformed:
    return Malformed(detail, [Flaw("malformed", detail, FILE, {"file": FILE})])
