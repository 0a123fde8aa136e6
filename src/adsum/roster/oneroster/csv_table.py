"""One CSV file as a stream of rows: a few kilobytes in memory, however long it is."""

from __future__ import annotations

import codecs
import csv
import io
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from adsum.roster.oneroster.files import SourceFile, UnreadableRoster
from adsum.roster.oneroster.rows import Layout, LeftOut, Mode, Row
from adsum.roster.oneroster.violations import file_violation, row_violation

Record = TypeVar("Record")

MAX_ROWS = 10_000_000
LONGEST_LINE = 2**20


class CsvTable:
    """A file whose header has been checked. `position` says how many of its `size` bytes have been read."""

    def __init__(self, source: SourceFile, mode: Mode, columns: Sequence[str], required: Sequence[str]) -> None:
        self._source = source
        self.name = source.name
        self.size = source.size
        self.position = 0
        self.layout = self._checked_layout(mode, columns, required)

    def records(self, read: Callable[[Row], Record], key: str = "sourcedId") -> Iterator[Record | LeftOut]:
        """Each row as a record, or as what is wrong with it; `key` is the column that says whom it is about."""
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
                # Half a row at the end: the file was cut off, and nobody knows who else was in it.
                yield LeftOut(last.row, None, ())

    def _cells(self, lines: Iterator[str]) -> Iterator[tuple[int, list[str]]]:
        """The number and the cells of each row; none where its quotes make no sense."""
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
        # Only a first cell that another one follows is surely where, and what, it should be.
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
            file_violation("repeated_column", self.name, f"the column {column} stands there twice", column=column)
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
        """The file's lines. Bytes that are no UTF-8 come as surrogates, so that only their row is left out."""
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
        # In pieces: a file without line ends is not read into memory as one line.
        for line in iter(partial(lines.readline, LONGEST_LINE), ""):
            self.position += len(line)
            yield line
        self.position = self.size
