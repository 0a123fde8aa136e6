"""Reads CSV imports with named columns.

It accepts what spreadsheets write: UTF-8 with or without a byte order mark, or UTF-16 with one; columns separated
by commas, semicolons or tabs, also after a line `sep=;`; empty rows, and empty columns at the end; and workbooks.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import IO, Self

from adsum.platform.errors import Invalid, Malformed, Violation
from adsum.platform.files.csv_export import BOM, unescaped
from adsum.platform.files.file_violations import file_violation, row_violation, wrong_quotes
from adsum.platform.files.workbook_rows import TooManyRows, UnreadableWorkbook, is_workbook, workbook_rows

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
ANY_SEPARATOR = "commas, semicolons or tabs"
# Excel reads the separator from such a first line.
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[,;\t]*', re.IGNORECASE)
_BLANK_LINE = ' ,;\t"\r\n'
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

NAMES_OF_ENCODINGS = {"utf-8-sig": "UTF-8", "utf-16": "UTF-16"}
MAX_ASCII = 0x7F
BLOCK_SIZE = 2**16
# A file without line ends is read in pieces, and not into memory as one line.
MAX_LINE_LENGTH = 2**20
MAX_SHOWN = 40
MAX_ROWS = 200_000


class UnreadableCsv(Malformed):
    """The file is in another encoding, or its header lacks columns; with a violation for each cause."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank. `number` counts from 1. A quoted cell may hold line breaks.

    `violation` is set, and `cells` is empty, if the quotes or the number of cells are wrong.
    """

    number: int
    cells: dict[str, str]
    violation: Violation | None = None


@dataclass(frozen=True, slots=True)
class CsvForm:
    """The format of an import.

    Attributes:
        file: the name of the file in errors.
        columns: the required columns. A tuple of several requires at least one of them.
        more: the optional columns.
        unread: columns that a file may have, and that are not read.
        ignores_others: other columns are not read, either. Otherwise they are refused.
        max_rows: a file with more rows is refused before any is read.
    """

    file: str
    columns: tuple[tuple[str, ...], ...]
    more: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    ignores_others: bool = False
    max_rows: int = MAX_ROWS

    @property
    def known(self) -> tuple[str, ...]:
        return (*chain(*self.columns), *self.more, *self.unread)

    def lines(self, content: bytes) -> Iterator[Line]:
        """Yields the lines that are not blank, with their cells by column. Only one line is in memory.

        A workbook has the rows of its first sheet as lines. Cells that `harmless` escaped are as they were.

        Raises:
            UnreadableCsv: the encoding is unknown, the workbook is damaged, or the header is wrong.
            Invalid: there are more than `max_rows` rows.
        """
        if is_workbook(content):
            yield from self._rows_of_workbook(content)
            return
        require_encoding(self.file, io.BytesIO(content))
        self._require_rows(content)
        with CsvRows(self, io.BytesIO(content)) as rows:
            for number, cells, violation in rows:
                if violation is None:
                    yield Line(number, _named(cells, rows.positions))
                else:
                    yield Line(number, {}, self.violation(number, violation))

    def _require_rows(self, content: bytes) -> None:
        # A blank line, or one in a quoted cell, is no row. The rows are counted only if the lines are too many.
        line_ends = content.count(b"\n") + content.count(b"\r") - content.count(b"\r\n")
        if line_ends <= self.max_rows:
            return
        with CsvRows(self, io.BytesIO(content)) as rows:
            if next(islice(rows, self.max_rows, None), None) is not None:
                raise self._too_long()

    def _too_long(self) -> Invalid:
        detail = f"one import takes at most {self.max_rows:,} lines: send the file in parts"
        return Invalid(detail, [file_violation("too_long", self.file, detail, maximum=self.max_rows)])

    def _rows_of_workbook(self, content: bytes) -> Iterator[Line]:
        """The rows of the first sheet. A row may be shorter than the header."""
        try:
            rows = workbook_rows(content, self.max_rows + 1)  # the first one is the header
            first = next(rows, None)
            if first is None:
                raise self.unreadable([self.no_header()])
            columns = self.header([name.strip() for name in first[1]])
            positions = {name: at for at, name in enumerate(columns) if name is not None}
            for number, cells in rows:
                width, expected = len(cells), len(columns)
                if width > expected:
                    detail = f"the row has {width} columns, the header {expected}"
                    wrong = Violation("wrong_columns", detail, params={"columns": width, "expected": expected})
                    yield Line(number, {}, self.violation(number, wrong))
                else:
                    yield Line(number, _named([*cells, *[""] * (expected - width)], positions))
        except TooManyRows:
            raise self._too_long() from None
        except UnreadableWorkbook as error:
            violation = file_violation(error.code, self.file, str(error))
            raise UnreadableCsv(violation.detail, [violation]) from None

    def header(self, names: list[str], separator: str | None = None) -> list[str | None]:
        """The known name of each column, without empty columns at the end.

        Args:
            names: the cells of the header.
            separator: of the columns in a CSV file.

        Raises:
            UnreadableCsv: with a violation for each missing, repeated or unknown column.
        """
        names = names[: max((at for at, name in enumerate(names, start=1) if name), default=0)]
        known = {name.lower(): name for name in self.known}
        columns = [known.get(name.lower()) for name in names]
        violations = [*self._missing(columns, separator), *self._repeated(columns)]
        if not self.ignores_others:
            violations += self._unknown(names, columns)
        if separator is not None and columns == [None]:
            detail = f"the header {names[0][:MAX_SHOWN]!r} has no separator; columns are separated by {ANY_SEPARATOR}"
            if self.ignores_others:
                detail = f"the header has no separator; columns are separated by {ANY_SEPARATOR}"
            violations = [file_violation("wrong_separator", self.file, detail)]
        if violations:
            raise self.unreadable(violations)
        return columns

    def _missing(self, columns: Sequence[str | None], separator: str | None) -> Iterator[Violation]:
        hint, params = (f"; {_separated_by(separator)}", {"separator": separator}) if separator else ("", {})
        for names in self.columns:
            if not set(names) & set(columns):
                detail = f"the column {' or '.join(names)} is missing{hint}"
                yield file_violation("missing_column", self.file, detail, column=names[0], **params)

    def _repeated(self, columns: Sequence[str | None]) -> Iterator[Violation]:
        for name in self.known:
            if (count := columns.count(name)) > 1:
                times = "twice" if count == 2 else f"{count} times"
                yield file_violation("repeated_column", self.file, f"the column {name} occurs {times}", column=name)

    def _unknown(self, names: Sequence[str], columns: Sequence[str | None]) -> Iterator[Violation]:
        for position, (name, column) in enumerate(zip(names, columns, strict=True), start=1):
            if column is None:
                text = f"the column {name[:MAX_SHOWN]!r} is unknown" if name else f"column {position} has no name"
                yield file_violation("unknown_column", self.file, text, position=position)

    def no_header(self) -> Violation:
        return file_violation("missing_header", self.file, "there is no header row")

    def unreadable(self, violations: Sequence[Violation]) -> UnreadableCsv:
        """Its detail says what the header has to be."""
        required = ",".join(" or ".join(names) for names in self.columns)
        optional = f", and may name {','.join(self.more)}" if self.more else ""
        return UnreadableCsv(
            f"the header of {self.file} has to name the columns {required}{optional}: {violations[0].detail}",
            violations,
        )

    def violation(self, line: int, violation: Violation) -> Violation:
        """The violation with the number of its line, and with the column that its pointer names."""
        detail, column = f"line {line}: {violation.detail}", violation.pointer.rpartition("/")[2]
        of_column = {"column": column} if column in self.known else {}
        return row_violation(violation.code, self.file, line, detail, **{**of_column, **violation.params})


def _named(cells: Sequence[str], positions: Mapping[str, int]) -> dict[str, str]:
    return {name: unescaped(cells[position]).strip() for name, position in positions.items()}


def _separated_by(separator: str) -> str:
    return f"columns are separated by {SEPARATORS[separator]} in this file"


def require_encoding(file: str, raw: IO[bytes], max_lines: int | None = None) -> None:
    """Reads the file from its beginning to its end, in blocks.

    Raises:
        UnreadableCsv: it is neither UTF-8 nor UTF-16 with a byte order mark; with the place of the first wrong byte.
            Or it has more than `max_lines` lines.
    """
    encoding = _encoding_of(raw)
    _refuse_unmarked_utf_16(file, _start_of(raw))
    decoder = codecs.getincrementaldecoder(encoding)()
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    line, column = 1, 1
    is_first, is_last = True, False
    while not is_last:
        block = raw.read(BLOCK_SIZE)
        is_last = not block
        wrong: int | None = None
        if is_first and 0 in block[:2]:  # a text in UTF-8 has no such byte
            wrong, block = 0, block[: block.index(0)]
        try:
            text = decoder.decode(block, is_last)
        except UnicodeDecodeError as error:
            wrong = error.object[error.start]
            text = error.object[: error.start].decode(error.encoding)
        text = newlines.decode(text.removeprefix(BOM) if is_first else text, is_last or wrong is not None)
        line += text.count("\n")
        column = len(text) - text.rindex("\n") if "\n" in text else column + len(text)
        if wrong is not None:
            violation = _wrong_byte(file, NAMES_OF_ENCODINGS[encoding], line, column, wrong)
            raise UnreadableCsv(violation.detail, [violation])
        # The last line may have no line end.
        if max_lines is not None and line > max_lines + 1:
            detail = f"more than {max_lines:,} lines are not read: send the data in parts"
            raise UnreadableCsv(detail, [file_violation("too_many_rows", file, detail, limit=max_lines)])
        is_first = False


def _start_of(raw: IO[bytes]) -> bytes:
    start = raw.read(4)
    raw.seek(0)
    return start


def _encoding_of(raw: IO[bytes]) -> str:
    start = _start_of(raw)
    is_utf_32 = start == codecs.BOM_UTF32_LE
    return "utf-16" if start[:2] in _UTF_16 and not is_utf_32 else "utf-8-sig"


def _refuse_unmarked_utf_16(file: str, start: bytes) -> None:
    """Refuses a file whose first two characters are ASCII letters in UTF-16: every second byte is 0."""
    zeros = [byte == 0 for byte in start]
    if zeros not in ([False, True] * 2, [True, False] * 2):
        return
    detail = (
        "the file looks like UTF-16 without a byte order mark; save it as UTF-8, or as UTF-16 with a byte order mark "
        '("Unicode text")'
    )
    params = {"position": zeros.index(True) + 1, "byte": "0x00", "looksLike": "UTF-16"}
    raise UnreadableCsv(detail, [row_violation("wrong_encoding", file, 1, detail, **params)])


def _wrong_byte(file: str, encoding: str, line: int, column: int, byte: int) -> Violation:
    code = f"0x{byte:02X}"
    detail = f"line {line}, column {column}: the byte {code} is not {encoding}"
    letter = bytes([byte]).decode("cp1252", "replace")
    if byte > MAX_ASCII and letter != "\ufffd":
        detail += f"; in Windows-1252 it is {letter!r}"
    return row_violation("wrong_encoding", file, line, f"{detail}; save the file as UTF-8", position=column, byte=code)


CsvRow = tuple[int, list[str], Violation | None]
"""The number of the first line of a row, its cells, and a violation without place. No cells if its quotes are wrong."""


class CsvRows:
    """The rows of a file, which are read once. Empty rows are skipped. Leaving the `with` block closes the file.

    Attributes:
        positions: the position of each known column.
        width: the number of columns without empty ones at the end.
    """

    def __init__(self, form: CsvForm, raw: IO[bytes]) -> None:
        """Reads the header.

        Raises:
            UnreadableCsv: there is no header, or its columns are not those of the form.
        """
        self._form = form
        self._row_lines: list[str] = []
        self._text = io.TextIOWrapper(raw, _encoding_of(raw), newline="")
        try:
            self._read_header()
        except BaseException:
            self._text.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._text.close()

    def _read_header(self) -> None:
        lines = self._lines()
        self._lines_before, self._separator, header = self._first_lines(lines)
        self._reader = csv.reader(chain([header], lines), delimiter=self._separator, strict=True)
        columns = self._header()
        self.width = len(columns)
        self.positions: Mapping[str, int] = {name: at for at, name in enumerate(columns) if name is not None}

    def __iter__(self) -> Iterator[CsvRow]:
        while True:
            number = self._lines_before + self._reader.line_num + 1
            self._row_lines.clear()
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error:
                yield number, [], wrong_quotes(self._row_lines, number, self._separator)
                continue
            if not any(map(str.strip, cells)):
                continue  # spreadsheets append such rows
            # Only as many empty cells as the header has: another one at the end may come from a separator in a cell.
            if len(cells) == self._header_width and not any(map(str.strip, cells[self.width :])):
                del cells[self.width :]
            yield number, cells, None if len(cells) == self.width else self._wrong_width(len(cells))

    def _lines(self) -> Iterator[str]:
        for line in iter(partial(self._text.readline, MAX_LINE_LENGTH), ""):
            self._row_lines.append(line)
            yield line

    def _first_lines(self, lines: Iterator[str]) -> tuple[int, str, str]:
        """The number of lines before the header, the separator, and the header's first line."""
        named: str | None = None
        for count, line in enumerate(lines):
            found = _SEPARATOR_LINE.fullmatch(line.rstrip("\r\n")) if count == 0 else None
            if found:
                named = found[1]
                if named not in SEPARATORS:
                    detail = f"the first line names the separator {named!r}; columns are separated by {ANY_SEPARATOR}"
                    raise self._form.unreadable([file_violation("wrong_separator", self._form.file, detail)])
            elif line.strip(_BLANK_LINE):
                return count, named or self._separator_of(line), line
        raise self._form.unreadable([self._form.no_header()])

    def _separator_of(self, header: str) -> str:
        """The separator that finds the most known columns; of equal ones, the one that finds the most columns."""
        known = {name.lower() for name in self._form.known}

        def found(separator: str) -> tuple[int, int]:
            cells: list[str] = []
            with suppress(csv.Error):
                cells = next(csv.reader([header], delimiter=separator))
            return sum(cell.strip().lower() in known for cell in cells), len(cells)

        return max(SEPARATORS, key=found)

    def _header(self) -> list[str | None]:
        """The known name of each column, without empty columns at the end."""
        try:
            names = [cell.strip() for cell in next(self._reader)]
        except csv.Error:
            first = self._lines_before + 1
            violation = wrong_quotes(self._row_lines[self._lines_before :], first, self._separator)
            raise self._form.unreadable([self._form.violation(first, violation)]) from None
        self._header_width = len(names)
        return self._form.header(names, self._separator)

    def _wrong_width(self, cells: int) -> Violation:
        detail = f"the row has {cells} columns, the header {self.width}; {_separated_by(self._separator)}"
        params = {"columns": cells, "expected": self.width, "separator": self._separator}
        return Violation("wrong_columns", detail, params=params)
