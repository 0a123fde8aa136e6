"""The records of an archive as they are put back: without people who are gone, and texts whose period is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby, islice
from pathlib import Path
from typing import Any, TypeAlias

from adsum.privacy.retention.repository.deletions import TEXTS_OF_CHANGE, TEXTS_OF_RECORD
from adsum.privacy.years.archive import ArchiveRefused, rows_in

Row: TypeAlias = dict[str, Any]

PAGE = 500
DAYS = ("learning_date",)
TIMES = ("marked_at", "changed_at", "said_at", "resolved_at")


@dataclass(frozen=True, slots=True)
class Present:
    """The rows that still exist of those that an archive names.

    Attributes:
        students: the student that each id of a student names: a later merge has given them another one.
        users, keys, absences: their ids. Others are left out of the rows.
        notes_from: by school, the day before which retention has removed notes.
    """

    students: Mapping[int, int]
    users: frozenset[int] = frozenset()
    keys: frozenset[int] = frozenset()
    absences: frozenset[int] = frozenset()
    notes_from: Mapping[int, date] = field(default_factory=dict[int, date])

    def record(self, row: Row) -> Row:
        """A record or a disputed mark of a student who exists."""
        found = self._references(row) | {"student_id": self.students[row["student_id"]]}
        return found if self.keeps_texts(row["school_id"], row["learning_date"]) else without(found, TEXTS_OF_RECORD)

    def change(self, row: Row, record: Row) -> Row:
        """A change of a record."""
        found = self._references(row) | {"learning_date": record["learning_date"]}
        keeps = self.keeps_texts(record["school_id"], record["learning_date"])
        return found if keeps else without(found, TEXTS_OF_CHANGE)

    def _references(self, row: Row) -> Row:
        known = {"user_id": self.users, "key_id": self.keys, "absence_id": self.absences}
        gone = {name: None for name, ids in known.items() if name in row and row[name] not in ids}
        return row | gone

    def keeps_texts(self, school_id: int, day: date) -> bool:
        """Whether the school still keeps notes of the day."""
        return day >= self.notes_from.get(school_id, date.min)


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Records of one school with their changes. `left_out`: the number of records of students who are gone."""

    school_id: int
    records: Sequence[Row]
    changes: Sequence[Row]
    left_out: int


def record_pages(path: Path, is_wanted: Callable[[int], bool], present: Present) -> Iterator[RecordPage]:
    """The records of the schools that are wanted, with their changes, which the archive has in the same order.

    Raises:
        ArchiveRefused: a change is of no record, or the file cannot be read.
    """
    changes = _Changes(path)
    for school_id, of_school in groupby(rows_of(path, "attendances"), lambda row: row["school_id"]):
        while page := list(islice(of_school, PAGE)):
            found = changes.take({row["id"] for row in page})
            if not is_wanted(school_id):
                continue
            records = {row["id"]: present.record(row) for row in page if row["student_id"] in present.students}
            kept = [row for row in found if row["attendance_id"] in records]
            yield RecordPage(
                school_id,
                list(records.values()),
                [present.change(row, records[row["attendance_id"]]) for row in kept],
                len(page) - len(records),
            )
    changes.require_end()


class _Changes:
    """The changes of an archive, read beside its records."""

    def __init__(self, path: Path) -> None:
        self._rows = rows_of(path, "attendance_changes")
        self._next = next(self._rows, None)

    def take(self, record_ids: set[int]) -> list[Row]:
        found: list[Row] = []
        while self._next is not None and self._next["attendance_id"] in record_ids:
            found.append(self._next)
            self._next = next(self._rows, None)
        return found

    def require_end(self) -> None:
        if self._next is not None:
            raise ArchiveRefused(f"the archive has a change without its record, {self._next['attendance_id']}")


def disputed_pages(path: Path, is_wanted: Callable[[int], bool], present: Present) -> Iterator[Sequence[Row]]:
    """The disputed marks of the schools that are wanted, of students who exist, in pages."""
    rows = (row for row in rows_of(path, "disputed_marks") if is_wanted(row["school_id"]))
    kept = (present.record(row) for row in rows if row["student_id"] in present.students)
    while page := list(islice(kept, PAGE)):
        yield page


def rows_of(path: Path, name: str) -> Iterator[Row]:
    """The rows of a file of an archive, as the database returns them."""
    for row in rows_in(path, name):
        days = {each: date.fromisoformat(row[each]) for each in DAYS if row.get(each) is not None}
        times = {each: datetime.fromisoformat(row[each]) for each in TIMES if row.get(each) is not None}
        yield row | days | times


def without(row: Row, names: Sequence[str]) -> Row:
    """A row without these texts."""
    return row | {name: None for name in names if name in row}
