"""manifest.csv: which version the files are of, and which of them are complete, changes only, or not sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from adsum.platform.errors import Violation
from adsum.roster.oneroster.csv_table import CsvTable
from adsum.roster.oneroster.files import RosterFiles, UnreadableRoster
from adsum.roster.oneroster.rows import LeftOut, Mode, Row
from adsum.roster.oneroster.violations import file_violation, row_violation

VERSIONS = ("1.1", "1.2")
NAME = "manifest.csv"


@dataclass(frozen=True, slots=True)
class Manifest:
    """Modes by name in lower case, without `.csv`. There is none for what the manifest does not mention."""

    modes: Mapping[str, Mode]


@dataclass(frozen=True, slots=True)
class _Property:
    row: int
    name: str
    value: str


def read_manifest(files: RosterFiles) -> Manifest | None:
    """The manifest, or None where there is none.

    Raises:
        UnreadableRoster: it says something that it may not say.
    """
    if NAME not in files:
        return None
    columns = ("propertyName", "value")
    table = CsvTable(files[NAME], Mode.BULK, columns, columns)
    violations: list[Violation] = []
    modes: dict[str, Mode] = {}
    for entry in table.records(_property):
        if isinstance(entry, LeftOut):
            violations.extend(entry.violations)
        elif entry.name == "oneroster.version" and entry.value not in VERSIONS:
            violations.append(
                row_violation("unknown_version", NAME, entry.row, f"only OneRoster {' and '.join(VERSIONS)} is read")
            )
        elif entry.name.startswith("file."):
            _note_mode(entry, modes, violations)
    if not modes and not violations:
        violations.append(file_violation("empty_manifest", NAME, "it names no file"))
    if violations:
        raise UnreadableRoster("manifest.csv cannot be followed", violations)
    return Manifest(modes)


def _note_mode(entry: _Property, modes: dict[str, Mode], violations: list[Violation]) -> None:
    if entry.value.lower() in set(Mode):
        modes[entry.name.removeprefix("file.")] = Mode(entry.value.lower())
    else:
        violations.append(row_violation("unknown_mode", NAME, entry.row, "a file is bulk, delta or absent"))


def _property(row: Row) -> _Property:
    return _Property(row.number, row.text("propertyName", required=True).lower(), row.text("value"))
