"""The staged rows of students and teachers, gathered until they are taken to the database."""

from __future__ import annotations

from typing import Any

from adsum.roster.importing.staging import Staged
from adsum.roster.oneroster.records import STUDENT, TEACHER, Person

ROLES = (STUDENT, TEACHER)


class StagedPeople:
    """Rows by role. A row without a school holds in every school of the import."""

    def __init__(self) -> None:
        self._rows: dict[str, list[dict[str, Any]]] = {role: [] for role in ROLES}

    def take(self) -> dict[str, list[dict[str, Any]]]:
        """All rows since the last call."""
        taken = self._rows
        self._rows = {role: [] for role in ROLES}
        return taken

    def active(self, role: str, school_id: int, person: Person) -> None:
        names = {"given_name": person.given_name, "family_name": person.family_name}
        grade = person.grade or None
        self._add(role, person.row, school_id, person.source_id, Staged.ACTIVE, names, grade)

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
        names: dict[str, str] | None = None,
        grade: str | None = None,
    ) -> None:
        staged: dict[str, Any] = {
            "row": row,
            "school_id": school_id,
            "source_id": source_id,
            "state": state.value,
            **(names or {"given_name": None, "family_name": None}),
        }
        self._rows[role].append({**staged, "grade": grade} if role == STUDENT else staged)
