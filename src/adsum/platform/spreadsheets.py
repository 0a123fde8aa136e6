"""What a spreadsheet opens as data, never as formulas: the rule for each cell, and rows as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import UTC, date, datetime

Cell = str | int | float | date | None
"""A moment, which is a `datetime`, has an offset."""

# What makes a spreadsheet take a cell for a formula; the wide forms are those of Japanese keyboards.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


def harmless(text: str) -> str:
    """The text, with a leading apostrophe where it would be a formula: whoever saves the file in another form of it
    keeps that apostrophe, too.
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def csv_lines(rows: Iterable[Iterable[Cell]]) -> str:
    """The rows as RFC 4180 has them; days and moments in their ISO forms, moments in UTC."""
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
