"""What an import did, or would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from adsum.platform.errors import Violation


@dataclass(frozen=True, slots=True)
class TableReport:
    """How many rows of one table. Who comes back counts as changed; what had ended before counts nowhere."""

    added: int = 0
    changed: int = 0
    ended: int = 0
    unchanged: int = 0

    @property
    def is_changed(self) -> bool:
        return bool(self.added or self.changed or self.ended)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The outcome of one import.

    Attributes:
        dry_run: nothing was changed; `tables` says what would have been.
        refused: of a dry run: the same import in earnest would be refused as a whole.
        tables: by name, in this order: schools, students, teachers, classes, sessions, enrolments, teachings.
        ignored: what is not imported and no violation, such as guardians, and how often.
        ignored_files: files that are not read.
        violations: by file and row. At most 100,000 are kept; `violation_count` counts all.
    """

    dry_run: bool
    refused: bool
    tables: Mapping[str, TableReport]
    ignored: Mapping[str, int]
    ignored_files: tuple[str, ...]
    violations: tuple[Violation, ...]
    violation_count: int

    @property
    def changes_nothing(self) -> bool:
        return not any(table.is_changed for table in self.tables.values())
