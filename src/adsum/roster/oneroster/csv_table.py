"""One CSV file as a stream of rows, with constant memory, and the cells of one row by column name."""

from __future__ import annotations

import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import IO, Any, TypeVar

from typing_extensions import override

from adsum.platform.days import AMBIGUOUS_DAY, WrongDay, day_in_file
from adsum.platform.errors import Violation
from adsum.platform.files.csv_files import MAX_LINE_LENGTH, CsvForm, CsvRows, UnreadableCsv, require_encoding
from adsum.platform.files.file_violations import file_violation, row_violation
from adsum.platform.texts import CONTROL, close_words, did_you_mean
from adsum.roster.oneroster.files import SourceFile, UnreadableRoster

RosterRecord = TypeVar("RosterRecord")

MAX_LINES = 10_000_000
PROGRESS_ROWS = 1024


class RosterTable(ABC):
    """The rows of a file or of a collection, which are read several times. `position` of its `size` have been read."""

    def __init__(self, name: str, layout: Layout, size: int) -> None:
        self.name = name
        self.layout = layout
        self.size = size
        self.position = 0

    def records(self, read: Callable[[Row], RosterRecord], key: str = "sourcedId") -> Iterator[RosterRecord | LeftOut]:
        """Each row as a record or a `LeftOut`. `key` is the column with the source id."""
        for row in self.rows(key):
            if isinstance(row, LeftOut):
                yield row
                continue
            record = read(row)
            violations = tuple(row.violations)
            yield LeftOut(row.number, row.text(key) or None, violations) if violations else record

    @abstractmethod
    def rows(self, key: str) -> Iterator[Row | LeftOut]:
        """Each row that can be read, or its violations."""


class CsvTable(RosterTable):
    """A file with a valid header. Its `size` is in bytes."""

    def __init__(
        self,
        source: SourceFile,
        mode: Mode,
        columns: Sequence[str],
        required: Sequence[str],
        max_lines: int = MAX_LINES,
    ) -> None:
        optional = tuple(column for column in columns if column not in required)
        self._form = CsvForm(source.name, tuple((column,) for column in required), optional, ignores_others=True)
        self._source = source
        self.name = source.name
        with self._opened() as raw:
            require_encoding(self.name, raw, max_lines)
        with self._opened() as raw, CsvRows(self._form, raw) as rows:
            layout = Layout(self.name, mode, rows.width, rows.positions)
        super().__init__(source.name, layout, source.size)

    @override
    def rows(self, key: str) -> Iterator[Row | LeftOut]:
        with self._opened() as raw, CsvRows(self._form, raw) as rows:
            last: Row | LeftOut | None = None
            for number, cells, violation in rows:
                if not number % PROGRESS_ROWS:
                    self.position = raw.tell()
                last = (
                    Row(self.layout, number, cells) if violation is None else self._wrong(number, cells, key, violation)
                )
                yield last
                if isinstance(last, LeftOut) and len(cells) >= self.layout.width:
                    last = None
            self.position = self.size
            if isinstance(last, LeftOut) and last.source_id is not None:
                # A short last row: the file is truncated, so the missing rows are unknown.
                yield LeftOut(last.row, None, ())

    def _wrong(self, number: int, cells: list[str], key: str, violation: Violation) -> LeftOut:
        # Only a first cell with a following cell is certainly complete and in its column.
        is_first = self.layout.positions.get(key) == 0 and len(cells) > 1
        located = row_violation(violation.code, self.name, number, violation.detail, **violation.params)
        return LeftOut(number, (cells[0].strip() or None) if is_first else None, (located,))

    @contextmanager
    def _opened(self) -> Generator[IO[bytes]]:
        """The file. Raises UnreadableRoster if its content cannot be read.

        The encoding is checked before the rows are read, so a UnicodeDecodeError means that the file has changed since.
        """
        try:
            with self._source.open() as raw:
                yield raw
        except UnreadableCsv as error:
            raise UnreadableRoster(f"{self.name} cannot be read", error.violations) from None
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, UnicodeDecodeError):
            violation = file_violation("damaged_file", self.name, "the file is damaged and cannot be read to its end")
            raise UnreadableRoster(f"{self.name} is damaged", [violation]) from None


MAX_LENGTH = 255
STATUSES = ("active", "tobedeleted")
EARLIEST = date(1900, 1, 1)
_WRONG_DAYS = {
    "date_format": "is not a day of the form YYYY-MM-DD or DD.MM.YYYY",
    "date_ambiguous": AMBIGUOUS_DAY,
    "date_impossible": "is not a day of the calendar",
    "date_too_early": f"is before {EARLIEST}",
}


class Mode(StrEnum):
    """The content of a file: complete, changes only, or not sent."""

    BULK = "bulk"
    DELTA = "delta"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Layout:
    """A file's name, its mode, its number of columns, and the position of each column."""

    file: str
    mode: Mode
    width: int
    positions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that is not imported. `source_id` is None if it cannot be read.

    `is_repeated`: an earlier row has the same `source_id` and is imported.
    """

    row: int
    source_id: str | None
    violations: tuple[Violation, ...]
    is_repeated: bool = False


class Row:
    """The cells of one row. A wrong cell adds a violation and reads as empty, so that all violations are collected."""

    __slots__ = ("_cells", "_layout", "number", "violations")

    def __init__(self, layout: Layout, number: int, cells: list[str]) -> None:
        self._layout = layout
        self._cells = cells
        self.number = number
        self.violations: list[Violation] = []

    def text(self, column: str, max_length: int = MAX_LENGTH, *, required: bool = False) -> str:
        position = self._layout.positions.get(column)
        value = "" if position is None else self._cells[position].strip()
        if not value:
            if required:
                self.violation("missing_value", column, "is empty")
        elif len(value) > max_length:
            self.violation(
                "too_long", column, f"has {len(value)} characters; at most {max_length} fit", limit=max_length
            )
            return ""
        elif not value.isprintable() and not self._is_clean(column, value):
            return ""
        return value

    def source_id(self) -> str:
        return self.text("sourcedId", required=True)

    def is_gone(self) -> bool:
        """Whether the status is `tobedeleted`. A blank status means active; a delta file must state it."""
        match self.text("status").lower():
            case "active":
                return False
            case "tobedeleted":
                return True
            case "" if self._layout.mode is Mode.BULK:
                return False
            case "":
                self.violation("missing_value", "status", "is empty; in a delta file it is active or tobedeleted")
            case _:
                self.unknown("unknown_status", "status", STATUSES, "is neither active nor tobedeleted")
        return False

    def has(self, column: str) -> bool:
        """Whether the file has this column."""
        return column in self._layout.positions

    def day(self, column: str, *, required: bool = False) -> date | None:
        text = self.text(column, required=required)
        if not text:
            return None
        found = _day(text)
        if isinstance(found, date):
            return found
        self.violation(found, column, _WRONG_DAYS[found])
        return None

    def listed(self, column: str, max_length: int = MAX_LENGTH) -> tuple[str, ...]:
        """A OneRoster list, `1` or `"1,2"`, without blanks and repetitions. `max_length` limits each of its items."""
        text = self.text(column, MAX_LINE_LENGTH)
        if not text:
            return ()
        items = (item.strip().strip('"').strip() for item in text.split(","))
        listed = tuple(dict.fromkeys(item for item in items if item))
        if any(len(item) > max_length for item in listed):
            predicate = f"has an item of more than {max_length} characters"
            self.violation("too_long", column, predicate, limit=max_length)
            return ()
        return listed

    def violation(self, code: str, column: str, predicate: str, **params: Any) -> None:
        """Adds a violation of a cell. Its text is omitted, because it may be a name in the wrong column."""
        self.violations.append(
            row_violation(code, self._layout.file, self.number, f"{column} {predicate}", column=column, **params)
        )

    def unknown(self, code: str, column: str, known: Iterable[str], predicate: str, hint: str = "") -> None:
        """Adds the violation of a cell that holds none of the `known` values: see `unknown_value`."""
        predicate, close = unknown_value(self.text(column), known, predicate, hint)
        self.violation(code, column, predicate, close=close)

    def _is_clean(self, column: str, value: str) -> bool:
        if CONTROL.search(value):
            self.violation("control_character", column, "holds a control character, such as NUL or a line break")
            return False
        return True


def unknown_value(value: str, known: Iterable[str], predicate: str, hint: str = "") -> tuple[str, list[str]]:
    """A predicate about a value that is none of the `known` ones, and those of them that may be meant.

    The value is omitted, because it may be a name in the wrong column. The `hint` is said if none is close to it.
    """
    close = close_words(value, known)
    return predicate + (f": {did_you_mean(close)}" if close else hint), close


@lru_cache(maxsize=8192)
def _day(text: str) -> date | str:
    """The day, or the code of a violation."""
    try:
        day = day_in_file(text)
    except WrongDay as wrong:
        return wrong.code
    return day if day >= EARLIEST else "date_too_early"
