"""Staged rows of students and teachers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adsum.platform.database.tombstones import Erased, Tombstones
from adsum.platform.errors import Violation
from adsum.platform.files.file_violations import row_violation
from adsum.roster.importing.rules import STUDENT_CELLS, Findings, Staged
from adsum.roster.oneroster.records import STUDENT, TEACHER, PersonRecord
from adsum.roster.rules import grade_text

FILE = "users.csv"
ROLES = (STUDENT, TEACHER)
KINDS = {STUDENT: Erased.STUDENT, TEACHER: Erased.USER}

EMPTY_CELLS: Mapping[str, Mapping[str, Any]] = {
    STUDENT: dict.fromkeys(STUDENT_CELLS),
    TEACHER: dict.fromkeys(("given_name", "family_name", "enabled_in_roster")),
}


class StagedPeople:
    """Staged rows by role. A row without a school applies to every school of the import.

    The erased are not staged: they do not come back with a file that still lists them.
    """

    def __init__(self, tombstones: Mapping[Erased, Tombstones], findings: Findings) -> None:
        self._tombstones = tombstones
        self._findings = findings
        self._rows: dict[str, list[dict[str, Any]]] = {role: [] for role in ROLES}

    def take_rows(self) -> dict[str, list[dict[str, Any]]]:
        """Returns and removes all rows."""
        taken = self._rows
        self._rows = {role: [] for role in ROLES}
        return taken

    def active(self, role: str, school_id: int, person: PersonRecord) -> None:
        if self._tombstones[KINDS[role]].has(school_id, person.source_id):
            self._findings.warn(_erased(role, person.row, school_id))
            return
        cells: dict[str, Any] = {"given_name": person.given_name, "family_name": person.family_name}
        if role == STUDENT:
            cells["grade"] = grade_text(person.grades)
        else:
            cells["enabled_in_roster"] = person.is_enabled
        self._add(role, person.row, school_id, person.source_id, Staged.ACTIVE, cells)

    def gone(self, role: str, row: int, school_id: int | None, source_id: str) -> None:
        self._add(role, row, school_id, source_id, Staged.GONE)

    def gone_everywhere(self, row: int, source_id: str) -> None:
        for role in ROLES:
            self.gone(role, row, None, source_id)

    def kept(self, row: int, source_id: str) -> None:
        for role in ROLES:
            self._add(role, row, None, source_id, Staged.KEPT)

    def _add(
        self,
        role: str,
        row: int,
        school_id: int | None,
        source_id: str,
        state: Staged,
        cells: Mapping[str, Any] | None = None,
    ) -> None:
        staged = {"row": row, "school_id": school_id, "source_id": source_id, "state": state.value}
        self._rows[role].append({**staged, **(cells or EMPTY_CELLS[role])})


def _erased(role: str, row: int, school_id: int) -> Violation:
    """The warning of a row that is left out. It does not repeat the id of the erased person, which it would store."""
    command = f"; to let them come back: adsum student readmit --school {school_id} SOURCED_ID"
    detail = f"this {role} was erased at school {school_id} and is left out{command if role == STUDENT else ''}"
    return row_violation("erased_person", FILE, row, detail, column="sourcedId", schoolId=school_id)


def one_name(row: int, column: str) -> Violation:
    """The warning of a person whose other name is empty. Somebody may have one name; more often one is missing."""
    detail = f"{column} is empty: the person is imported with one name"
    return row_violation("one_name", FILE, row, detail, column=column)
