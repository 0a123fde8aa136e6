"""Writes CSV exports that no spreadsheet interprets as formulas."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from datetime import UTC, date, datetime

BOM = "\ufeff"
"""The byte order mark at the beginning of a text."""
Cell = str | int | float | date | None
"""The value of a cell. A `datetime` has an offset."""

# Spreadsheets find a formula at the beginning of a cell, also behind blanks and quotes, and at the beginning of what a
# program takes for a cell that expects another separator. Japanese keyboards produce the wide forms.
_SIGN = "=+\\-@＝＋－＠"  # noqa: RUF001 - spreadsheets calculate the wide forms, too
_BEGIN = r"(?:\A|(?<=[;\t\r\n]))"
_BEFORE_FORMULA = frozenset(" \"'=+-@＝＋－＠\t\r\n")  # noqa: RUF001 - as above
_FORMULA = re.compile(rf"""{_BEGIN}(?=[ "']*[{_SIGN}])|\A(?=[ "']*[\t\r\n])""")
_ESCAPED_FORMULA = re.compile(rf"""{_BEGIN}'(?=[ "']*[{_SIGN}])|\A'(?=[ "']*[\t\r\n])""")


def harmless(text: str) -> str:
    """The text, with an apostrophe wherever a formula would begin. Conversions of the file keep the apostrophes."""
    # Most cells have none of these, and an export has many cells.
    if text[:1] in _BEFORE_FORMULA or ";" in text or "\n" in text or "\t" in text or "\r" in text:
        return _FORMULA.sub("'", text)
    return text


def unescaped(text: str) -> str:
    """The text that `harmless` has been given: `unescaped(harmless(text)) == text`."""
    return _ESCAPED_FORMULA.sub("", text) if "'" in text else text


def csv_lines(rows: Iterable[Iterable[Cell]]) -> str:
    """The rows as CSV (RFC 4180). Dates and times are in ISO 8601, times in UTC."""
    text = io.StringIO(newline="")
    # Most cells are empty or integers. An export has millions of cells.
    csv.writer(text).writerows(
        [cell if cell is None or type(cell) is int else _text(cell) for cell in row] for row in rows
    )
    return text.getvalue()


def _text(cell: str | float | date) -> str | float:
    if isinstance(cell, str):
        return cell if cell.isalnum() else harmless(cell)
    if isinstance(cell, datetime):
        return cell.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return cell.isoformat() if isinstance(cell, date) else cell
