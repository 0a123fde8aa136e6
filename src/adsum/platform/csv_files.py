"""Reads CSV imports with named columns, and writes CSV exports that no spreadsheet interprets as formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import chain

from adsum.platform.errors import Malformed, Violation


@dataclass(frozen=True, slots=True)
class Line:
    """A line that is not blank. `number` counts from 1, the header. A quoted cell may hold line breaks.

    `violation` is set, and `cells` is empty, if the number of cells differs from the number of columns.
    """

    number: int
    cells: dict[str, str]
    violation: Violation | None = None


@dataclass(frozen=True, slots=True)
class CsvForm:
    """The format of an import.

    Attributes:
        file: the name of the file in errors.
        columns: the required columns; of several in one tuple, at least one.
        more: the optional columns.
    """

    file: str
    columns: tuple[tuple[str, ...], ...]
    more: tuple[str, ...] = ()

    def lines(self, content: bytes) -> Iterator[Line]:
        """Yields the lines that are not blank, with their cells by column. Only one line is in memory.

        Raises:
            Malformed: the content is not UTF-8, or not CSV with these columns.
        """
        text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8-sig", newline="")
        reader = csv.reader(text, strict=True)
        try:
            names = self._names(next(reader, list[str]()))
            for number, cells in enumerate(reader, start=2):
                stripped = [cell.strip() for cell in cells]
                if not any(stripped):
                    continue  # spreadsheets append such lines
                if len(cells) == len(names):
                    yield Line(number, dict(zip(names, stripped, strict=True)))
                else:
                    yield Line(number, {}, self._wrong_length(number, len(cells), len(names)))
        except UnicodeDecodeError:
            raise self._unreadable("this is not UTF-8") from None
        except csv.Error as error:
            raise self._unreadable(f"this is not CSV: {error}") from None

    def violation(self, line: int, violation: Violation) -> Violation:
        """The violation with the number of its line."""
        params = {**violation.params, "file": self.file, "row": line}
        return Violation(violation.code, f"line {line}: {violation.detail}", f"{self.file}:{line}", params)

    def _names(self, header: list[str]) -> list[str]:
        known = {name.lower(): name for name in (*chain(*self.columns), *self.more)}
        names = [known.get(name.strip().lower(), "") for name in header]
        is_complete = all(set(names) & set(alternatives) for alternatives in self.columns)
        if len(set(names)) < len(names) or "" in names or not is_complete:
            required = ",".join(" or ".join(alternatives) for alternatives in self.columns)
            may = f", may name {','.join(self.more)}" if self.more else ""
            raise self._unreadable(f"the first line has to name the columns {required}{may}, and no others, each once")
        return names

    def _wrong_length(self, number: int, cells: int, columns: int) -> Violation:
        return self.violation(number, Violation("wrong_form", f"there are {cells} cells under {columns} columns"))

    def _unreadable(self, detail: str) -> Malformed:
        return Malformed(detail, [Violation("malformed", detail, self.file, {"file": self.file})])


Cell = str | int | float | date | None
"""The value of a cell. A `datetime` has an offset."""

# Prefixes that spreadsheets interpret as a formula. Japanese keyboards produce the wide forms.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


def harmless(text: str) -> str:
    """The text, with a leading apostrophe if it would be a formula. Conversions of the file keep the apostrophe."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def csv_lines(rows: Iterable[Iterable[Cell]]) -> str:
    """The rows as CSV (RFC 4180). Dates and times are in ISO 8601, times in UTC."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_text(cell) for cell in row] for row in rows)
    return text.getvalue()


def _text(cell: Cell) -> str | int | float | None:
    match cell:
        case str():
            return harmless(cell)
        case datetime():
            return cell.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return cell.isoformat()
        case _:
            return cell
