"""The check of the rows of an archive: their order, and the totals that its manifest has to have."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import date
from itertools import pairwise
from typing import Any, TypeAlias

from adsum.privacy.years.rules import ArchiveRefused, SchoolTotals, digested, totals_line

NAMES = {"schools": "school_id", "classes": "class_id", "sessions": "session_id", "students": "student_id"}
"""The files with names, and the columns by which rows refer to them."""

Row: TypeAlias = Mapping[str, Any]


class ArchivedRows:
    """Reads the rows of an archive in their order, and computes the totals of each school as the database does.

    Every method raises ArchiveRefused if a row is out of order, there twice, of another day, or about nothing.
    It keeps the ids of records, and no rows.
    """

    def __init__(self, first: date, end: date) -> None:
        self._first, self._end = first, end
        self._digests: dict[int, Any] = {}
        self._records, self._changes = Counter[int](), Counter[int]()
        # Of each record, in the order of the file: changes have the same.
        self._ids, self._schools = array("q"), array("q")
        self._at = 0
        self._day: tuple[int, str] | None = None
        self._versions: list[tuple[int, int]] = []
        self._places = set[tuple[Any, ...]]()
        self._last: tuple[str, tuple[Any, ...]] = ("", ())
        self._named: dict[str, set[int]] = {name: set() for name in NAMES}

    def reader_of(self, name: str) -> Callable[[Row], None]:
        """Reads the next row of a file."""
        readers = {
            "attendances": self._read_record,
            "attendance_changes": self._read_change,
            "disputed_marks": self._read_disputed,
            "double_records": self._read_double,
        }
        return readers.get(name) or (lambda row: self._read_name(name, row))

    def totals(self) -> dict[int, SchoolTotals]:
        """Of each school that has any rows."""
        self._end_day()
        _require(all(one != other for one, other in pairwise(sorted(self._ids))), "attendances")
        return {
            each: SchoolTotals(self._records[each], self._changes[each], digest.hexdigest())
            for each, digest in self._digests.items()
        }

    def _read_record(self, row: Row) -> None:
        day = (row["school_id"], row["learning_date"])
        self._require_next("attendances", (*day, row["id"]))
        if day != self._day:
            self._end_day()
            self._day = day
            self._places.clear()
            self._require_day("attendances", row)
        self._require_place("attendances", (row["session_id"], row["student_id"]))
        self._versions.append((row["id"], row["version"]))
        self._ids.append(row["id"])
        self._schools.append(row["school_id"])
        self._records[row["school_id"]] += 1
        self._note(row)

    def _end_day(self) -> None:
        if self._day is not None:
            self._digest_of(self._day[0]).update(totals_line("attendances", self._versions))
            self._versions.clear()
            self._day = None

    def _read_change(self, row: Row) -> None:
        record_id = row["attendance_id"]
        while self._at < len(self._ids) and self._ids[self._at] != record_id:
            self._at += 1
        _require(self._at < len(self._ids), "attendance_changes")
        self._require_next("attendance_changes", (self._at, row["version"]))
        self._changes[self._schools[self._at]] += 1

    def _read_disputed(self, row: Row) -> None:
        self._require_next("disputed_marks", (row["id"],))
        self._require_day("disputed_marks", row)
        self._require_place("disputed_marks", (row["session_id"], row["learning_date"], row["student_id"]))
        self._add("disputed_marks", row)

    def _read_double(self, row: Row) -> None:
        self._require_day("double_records", row)
        self._require_place("double_records", ("double", *digested("double_records", row)))
        self._add("double_records", row)

    def _read_name(self, name: str, row: Row) -> None:
        self._require_next(name, (row["id"],))
        _require(row["id"] in self._named[name], name)

    def _add(self, name: str, row: Row) -> None:
        self._end_day()
        self._digest_of(row["school_id"]).update(totals_line(name, digested(name, row)))
        self._note(row)

    def _digest_of(self, school_id: int) -> Any:
        return self._digests.setdefault(school_id, hashlib.sha256())

    def _note(self, row: Row) -> None:
        for name, column in NAMES.items():
            self._named[name].add(row[column])

    def _require_next(self, name: str, key: tuple[Any, ...]) -> None:
        """Rows are in the order of their keys, each once."""
        last_name, last = self._last
        _require(last_name != name or last < key, name)
        self._last = (name, key)

    def _require_place(self, name: str, place: tuple[Any, ...]) -> None:
        _require(place not in self._places, name)
        self._places.add(place)

    def _require_day(self, name: str, row: Row) -> None:
        _require(self._first <= date.fromisoformat(row["learning_date"]) < self._end, name)


def _require(holds: bool, name: str) -> None:
    if not holds:
        raise ArchiveRefused(f"the archive has rows of {name} that are out of order, repeated, or not of its year")
