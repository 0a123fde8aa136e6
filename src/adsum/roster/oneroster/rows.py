"""One row of a CSV file: cells by column name, whatever their order, and what is wrong with them."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import Any

from adsum.platform.days import WrongDay, plain_day
from adsum.platform.errors import Violation
from adsum.roster.oneroster.violations import row_violation

LONGEST = 255
EARLIEST = date(1900, 1, 1)


class Mode(StrEnum):
    """What a file holds: everything there is, only what changed, or nothing since it is not sent."""

    BULK = "bulk"
    DELTA = "delta"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Layout:
    """A file's name, its mode, its number of columns, and where each column stands."""

    file: str
    mode: Mode
    width: int
    positions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that is not imported. Without a `source_id` nobody knows whom it was about.

    `is_repeated`: an earlier row of the same `source_id` holds.
    """

    row: int
    source_id: str | None
    violations: tuple[Violation, ...]
    is_repeated: bool = False


class Row:
    """The cells of one row. A wrong cell adds a violation and reads as empty, so that all violations are found."""

    __slots__ = ("_cells", "_layout", "number", "violations")

    def __init__(self, layout: Layout, number: int, cells: list[str]) -> None:
        self._layout = layout
        self._cells = cells
        self.number = number
        self.violations: list[Violation] = []

    def text(self, column: str, longest: int = LONGEST, *, required: bool = False) -> str:
        position = self._layout.positions.get(column)
        value = "" if position is None else self._cells[position].strip()
        if not value:
            if required:
                self.violation("missing_value", column, "is empty")
        elif len(value) > longest:
            self.violation("too_long", column, f"has {len(value)} characters; at most {longest} fit", limit=longest)
            return ""
        elif not value.isprintable() and not self._is_clean(column, value):
            return ""
        return value

    def source_id(self) -> str:
        return self.text("sourcedId", required=True)

    def is_gone(self) -> bool:
        """Whether the status is `tobedeleted`. A blank one means active, but in a delta file it has to say which."""
        match self.text("status").lower():
            case "active":
                return False
            case "tobedeleted":
                return True
            case "" if self._layout.mode is Mode.BULK:
                return False
            case "":
                self.violation("missing_value", "status", "is empty; a delta file has to say active or tobedeleted")
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
        self.violation(found, column, "is no day of the form YYYY-MM-DD")
        return None

    def listed(self, column: str) -> tuple[str, ...]:
        """A OneRoster list, `1` or `"1,2"`, without blanks and repetitions."""
        items = (item.strip().strip('"').strip() for item in self.text(column).split(","))
        return tuple(dict.fromkeys(item for item in items if item))

    def violation(self, code: str, column: str, predicate: str, **params: Any) -> None:
        """Notes what is wrong with a cell; never what stands in it, which may be a name in the wrong column."""
        self.violations.append(
            row_violation(code, self._layout.file, self.number, f"{column} {predicate}", column=column, **params)
        )

    def _is_clean(self, column: str, value: str) -> bool:
        kinds = {unicodedata.category(character) for character in value}
        if "Cs" in kinds:  # what undecodable bytes were read as
            self.violation("not_utf8", column, "is not UTF-8")
        elif "Cc" in kinds:
            self.violation("control_character", column, "holds a control character, such as NUL or a line break")
        return kinds.isdisjoint({"Cs", "Cc"})


@lru_cache(maxsize=8192)
def _day(text: str) -> date | str:
    """The day, or the code of what is wrong."""
    try:
        day = plain_day(text)
    except WrongDay as wrong:
        return wrong.code
    return day if day >= EARLIEST else "date_too_early"
