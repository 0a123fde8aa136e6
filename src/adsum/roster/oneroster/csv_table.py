"""One CSV file as a stream of rows, with constant memory, and the cells of one row by column name."""

from __future__ import annotations

import codecs
import csv
import io
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache, partial
from typing import Any, TypeVar

from adsum.platform.days import WrongDay, plain_day
from adsum.platform.errors import Violation
from adsum.platform.texts import CONTROL, UNSTORABLE, is_roster_text
from adsum.roster.oneroster.files import SourceFile, UnreadableRoster, file_violation, row_violation

RosterRecord = TypeVar("RosterRecord")

MAX_ROWS = 10_000_000
MAX_LINE_LENGTH = 2**20


class CsvTable:
    """A file with a valid header. `position` of its `size` bytes have been read."""

    def __init__(self, source: SourceFile, mode: Mode, columns: Sequence[str], required: Sequence[str]) -> None:
        self._source = source
        self.name = source.name
        self.size = source.size
        self.position = 0
        self.layout = self._checked_layout(mode, columns, required)

    def records(self, read: Callable[[Row], RosterRecord], key: str = "sourcedId") -> Iterator[RosterRecord | LeftOut]:
        """Each row as a record or a `LeftOut`. `key` is the column with the source id."""
        for row in self._rows(key):
            if isinstance(row, LeftOut):
                yield row
                continue
            record = read(row)
            violations = tuple(row.violations)
            yield LeftOut(row.number, row.text(key) or None, violations) if violations else record

    def _rows(self, key: str) -> Iterator[Row | LeftOut]:
        with self._lines() as lines:
            last: Row | LeftOut | None = None
            for number, cells in self._cells(lines):
                last = self._row(number, cells, key)
                yield last
                if isinstance(last, LeftOut) and len(cells) >= self.layout.width:
                    last = None
            if isinstance(last, LeftOut) and last.source_id is not None:
                # A short last row: the file is truncated, so the missing rows are unknown.
                yield LeftOut(last.row, None, ())

    def _cells(self, lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
        """The number and the cells of each row; no cells if its quotes are wrong."""
        reader = csv.reader(lines, strict=True)
        next(reader)
        while True:
            number = reader.line_num + 1
            if number > MAX_ROWS:
                violation = file_violation(
                    "too_many_rows", self.name, f"more than {MAX_ROWS} rows are not read", limit=MAX_ROWS
                )
                raise UnreadableRoster(f"{self.name} is too long", [violation])
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                yield number, []
                continue
            if cells:
                yield number, cells

    def _row(self, number: int, cells: list[str], key: str) -> Row | LeftOut:
        if not cells:
            detail = "the quotes of this row do not close, or a cell is far too long"
            return LeftOut(number, None, (row_violation("wrong_quotes", self.name, number, detail),))
        if len(cells) != self.layout.width:
            return self._of_wrong_width(number, cells, key)
        return Row(self.layout, number, cells)

    def _of_wrong_width(self, number: int, cells: list[str], key: str) -> LeftOut:
        detail = f"the row has {len(cells)} columns, the header {self.layout.width}"
        violation = row_violation(
            "wrong_columns", self.name, number, detail, columns=len(cells), expected=self.layout.width
        )
        # Only a first cell with a following cell is certainly complete and in its column.
        is_first = self.layout.positions.get(key) == 0 and len(cells) > 1
        return LeftOut(number, (cells[0].strip() or None) if is_first else None, (violation,))

    def _checked_layout(self, mode: Mode, columns: Sequence[str], required: Sequence[str]) -> Layout:
        header = self._header()
        known = {column.lower(): column for column in columns}
        found = [known.get(cell.strip().lower()) for cell in header]
        violations = [
            file_violation("missing_column", self.name, f"the column {column} is missing", column=column)
            for column in required
            if column not in found
        ]
        violations += [
            file_violation("repeated_column", self.name, f"the column {column} occurs twice", column=column)
            for column in columns
            if found.count(column) > 1
        ]
        if violations and any(";" in cell or "\t" in cell for cell in header):
            violations = [file_violation("wrong_separator", self.name, "the columns have to be separated by commas")]
        if violations:
            raise UnreadableRoster(f"{self.name} lacks what an import needs", violations)
        positions = {column: at for at, column in enumerate(found) if column is not None}
        return Layout(self.name, mode, len(header), positions)

    def _header(self) -> list[str]:
        with self._lines() as lines:
            try:
                header = next(csv.reader(lines, strict=True), list[str]())
            except csv.Error:
                header = []
        if not header:
            raise UnreadableRoster(
                f"{self.name} has no header", [file_violation("missing_header", self.name, "there is no header row")]
            )
        return header

    @contextmanager
    def _lines(self) -> Generator[Iterator[str]]:
        """The lines of the file. Bytes that are not UTF-8 become surrogates, so that only their row is left out."""
        try:
            with self._source.open() as raw:
                if raw.read(2) in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
                    violation = file_violation("not_utf8", self.name, "the file is UTF-16; OneRoster files are UTF-8")
                    raise UnreadableRoster(f"{self.name} is not UTF-8", [violation])
                raw.seek(0)
                with io.TextIOWrapper(raw, "utf-8-sig", errors="surrogateescape", newline="") as text:
                    yield self._counted(text)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError):
            violation = file_violation("damaged_file", self.name, "the file is damaged and cannot be read to its end")
            raise UnreadableRoster(f"{self.name} is damaged", [violation]) from None

    def _counted(self, lines: io.TextIOWrapper) -> Iterator[str]:
        self.position = 0
        # In pieces, so that a file without line ends is not read into memory as one line.
        for line in iter(partial(lines.readline, MAX_LINE_LENGTH), ""):
            self.position += len(line)
            yield line
        self.position = self.size


MAX_LENGTH = 255
EARLIEST = date(1900, 1, 1)


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
                self.violation("unknown_status", "status", "is neither active nor tobedeleted")
        return False

    def day(self, column: str) -> date | None:
        text = self.text(column)
        if not text:
            return None
        found = _day(text)
        if isinstance(found, date):
            return found
        self.violation(found, column, "is not a day of the form YYYY-MM-DD")
        return None

    def listed(self, column: str, max_length: int = MAX_LENGTH) -> tuple[str, ...]:
        """A OneRoster list, `1` or `"1,2"`, without blanks and repetitions. `max_length` limits each of its items."""
        items = (item.strip().strip('"').strip() for item in self.text(column, MAX_LINE_LENGTH).split(","))
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

    def _is_clean(self, column: str, value: str) -> bool:
        if CONTROL.search(value):
            self.violation("control_character", column, "holds a control character, such as NUL or a line break")
        elif UNSTORABLE.search(value):  # a surrogate for a byte that is not UTF-8
            self.violation("not_utf8", column, "is not UTF-8")
        return is_roster_text(value)


@lru_cache(maxsize=8192)
def _day(text: str) -> date | str:
    """The day, or the code of a violation."""
    try:
        day = plain_day(text)
    except WrongDay as wrong:
        return wrong.code
    return day if day >= EARLIEST else "date_too_early"
