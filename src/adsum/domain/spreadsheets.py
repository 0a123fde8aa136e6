"""Lines of CSV that a spreadsheet opens as data, never as formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

Cell = str | int | None

# What makes a spreadsheet take a cell for a formula; the wide forms are those of Japanese keyboards.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001


def csv_lines(rows: Iterable[Iterable[Cell]]) -> str:
    """The rows as RFC 4180 has them. A text that would be a formula gets a leading apostrophe."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([_safe(cell) for cell in row] for row in rows)
    return text.getvalue()


def _safe(cell: Cell) -> Cell:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
