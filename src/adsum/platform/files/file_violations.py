"""Violations in files, with their place: the file, and the row and column as far as they are known."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from typing import Any

from adsum.platform.errors import Violation

# A quoted cell without its closing quote. Two quotes within a cell are one quote of its text.
_QUOTED = re.compile('"[^"]*(?:""[^"]*)*')


def file_violation(code: str, file: str, detail: str, **params: Any) -> Violation:
    """A violation of a whole file."""
    return Violation(code, detail, file, {"file": file, **params})


def row_violation(code: str, file: str, row: int, detail: str, **params: Any) -> Violation:
    """A violation in one row. `row` is its first line in the file, from 1. The pointer is `enrollments.csv:17`."""
    return Violation(code, detail, f"{file}:{row}", {"file": file, "row": row, **params})


def missing_value(columns: Sequence[str]) -> Violation:
    """The violation of a row in which all of these columns are empty, and one has to have a value."""
    verb = "is" if len(columns) == 1 else "are both" if len(columns) == 2 else "are all"
    detail = f"{' and '.join(columns)} {verb} empty"
    return Violation("missing_value", detail, params={"column": columns[0], "columns": list(columns)})


def wrong_quotes(lines: Sequence[str], first: int, separator: str) -> Violation:
    """The violation of wrong quotes in a row, with the place of the quote.

    Args:
        lines: the lines that were read as the row.
        first: the number of the first one.
        separator: of the columns.
    """
    text = "".join(lines)
    start = 0
    while start < len(text):
        if text[start] != '"':
            start = text.find(separator, start) + 1 or len(text)
            continue
        found = _QUOTED.match(text, start)
        end = found.end() if found else start
        if end == len(text):
            return _quote_violation(first, _place(lines, start, first), "opens a cell that is not closed")
        if text[end + 1 : end + 2] not in {separator, "\r", "\n", ""}:
            return _closed_too_early(first, _place(lines, start, first), _place(lines, end, first))
        start = end + 2
    detail = f"a cell has more than {csv.field_size_limit():,} characters"
    return Violation("wrong_quotes", detail, params={"position": 1})


def _place(lines: Iterable[str], index: int, first: int) -> tuple[int, int]:
    """The line and the column of a character; both count from 1."""
    for number, line in enumerate(lines, start=first):
        if index < len(line):
            return number, index + 1
        index -= len(line)
    raise IndexError(index)


def _closed_too_early(first: int, opened: tuple[int, int], closed: tuple[int, int]) -> Violation:
    if opened[0] == closed[0]:
        detail = 'closes the cell, but text follows; a quote within a quoted cell is written twice: ""'
        return _quote_violation(first, closed, detail)
    line, column = closed
    detail = f"opens a cell that is only closed in line {line}, column {column}, where text follows"
    return _quote_violation(first, opened, detail)


def _quote_violation(first: int, place: tuple[int, int], predicate: str) -> Violation:
    line, column = place
    where = f"column {column}" if line == first else f"line {line}, column {column}"
    return Violation("wrong_quotes", f"the quote in {where} {predicate}", params={"position": column})
