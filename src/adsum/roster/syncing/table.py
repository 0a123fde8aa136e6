"""The rows of a collection in a temporary file without a name, which ends with the process."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from tempfile import TemporaryFile
from typing import Any, cast

from typing_extensions import override

from adsum.platform.files.file_violations import row_violation
from adsum.roster.oneroster.csv_table import Layout, LeftOut, Mode, RosterTable, Row
from adsum.roster.oneroster.package import USED, file_of
from adsum.roster.syncing.columns import COLUMNS, Objects, Wrong

BLOCK = 2**16
WRONG_TYPE = "wrong_type"


class CollectionTable(RosterTable):
    """One file of a roster, whose rows come from a REST service. `size` and `position` are in rows."""

    def __init__(self, name: str, mode: Mode) -> None:
        self._used = [column for columns in USED[name] for column in columns]
        layout = Layout(file_of(name), mode, len(self._used), {column: at for at, column in enumerate(self._used)})
        super().__init__(layout.file, layout, 0)
        self._columns = COLUMNS[name]
        self._file = TemporaryFile("w+b")  # noqa: SIM115 - `close` closes it

    def add(self, items: Iterable[tuple[Objects, Wrong]]) -> None:
        """Appends rows. An object with wrong fields is a row that is left out."""
        lines: list[bytes] = []
        for item, found in items:
            wrong = list(found)
            cells = [self._columns[column](item, wrong) for column in self._used]
            lines.append(json.dumps([cells, wrong]).encode())
        self._file.seek(0, os.SEEK_END)
        self._file.write(b"".join(line + b"\n" for line in lines))
        self._file.flush()
        self.size += len(lines)

    def clear(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self.size = 0

    def close(self) -> None:
        self._file.close()

    @override
    def rows(self, key: str) -> Iterator[Row | LeftOut]:
        for number, (cells, wrong) in self._lines():
            self.position = number
            row = Row(self.layout, number, cells)
            if wrong:
                violations = tuple(self._wrong_type(number, *each) for each in wrong)
                yield LeftOut(number, row.text(key) or None, violations)
            else:
                yield row

    def ids_of(self, numbers: Collection[int], key: str) -> Mapping[int, str]:
        """The source ids of these rows, as far as they have one."""
        position = self.layout.positions[key]
        found = ((number, cells[position].strip()) for number, (cells, _) in self._lines() if number in numbers)
        return {number: source_id for number, source_id in found if source_id}

    def _wrong_type(self, number: int, field: str, predicate: str) -> Any:
        return row_violation(WRONG_TYPE, self.name, number, f"{field} {predicate}", column=field)

    def _lines(self) -> Iterator[tuple[int, tuple[list[str], Sequence[tuple[str, str]]]]]:
        """The rows with their numbers from 1. Several readers do not disturb each other."""
        rest, position, number = b"", 0, 0
        while block := os.pread(self._file.fileno(), BLOCK, position):
            position += len(block)
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                number += 1
                yield number, cast("tuple[list[str], Sequence[tuple[str, str]]]", json.loads(line))
