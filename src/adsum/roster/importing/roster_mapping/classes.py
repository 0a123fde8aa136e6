"""Classes, and their sessions, which are the periods of a class."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from adsum.platform.errors import Violation
from adsum.platform.files.file_violations import row_violation
from adsum.roster.importing.roster_mapping.schools import Orgs
from adsum.roster.importing.roster_mapping.terms import KnownTerms
from adsum.roster.importing.rules import Findings, Staged
from adsum.roster.oneroster.csv_table import LeftOut
from adsum.roster.oneroster.records import SchoolClass

FILE = "classes.csv"
DEFAULT_SESSION = "Attendance"


class ClassMapping:
    """Maps classes.csv to staged rows. `gone` and `left_out` as in `PeopleMapping`."""

    def __init__(self, orgs: Orgs, terms: KnownTerms, findings: Findings, *, is_delta: bool) -> None:
        self._orgs = orgs
        self._terms = terms
        self._findings = findings
        self._is_delta = is_delta
        self._periods: dict[tuple[int, str], tuple[str, ...]] = {}
        self._staged: list[dict[str, Any]] = []
        self.gone: set[str] = set()
        self.left_out: set[str] = set()

    def map(self, entries: Iterable[SchoolClass | LeftOut]) -> None:
        for entry in entries:
            if isinstance(entry, LeftOut):
                self._leave_out(entry)
            elif entry.is_gone or entry.school in self._orgs.gone:
                self.gone.add(entry.source_id)
                self._stage(entry.row, entry.source_id, Staged.GONE)
            else:
                self._stage_class(entry)

    @property
    def places(self) -> Collection[tuple[int, str]]:
        """School id and source id of each valid class."""
        return self._periods.keys()

    def take_rows(self) -> list[dict[str, Any]]:
        """Returns and removes all staged rows."""
        taken, self._staged = self._staged, []
        return taken

    def sessions(self, class_ids: Mapping[tuple[int, str], int]) -> list[dict[str, Any]]:
        """Staged rows of the sessions of all mapped classes. `class_ids` by school id and source id."""
        return [
            {"class_id": class_ids[place], "period": period, "title": session_title(period)}
            for place, periods in self._periods.items()
            for period in periods or ("",)
        ]

    def _stage_class(self, entry: SchoolClass) -> None:
        violations = tuple(self._orgs.violations((entry.school,), FILE, entry.row, "schoolSourcedId"))
        school_id = self._orgs.ids.get(entry.school)
        if violations or school_id is None:
            violations = violations or (_no_school(entry),)
            self._leave_out(LeftOut(entry.row, entry.source_id, violations))
            return
        terms = None if entry.terms is None else ",".join(sorted(entry.terms))
        self._stage(entry.row, entry.source_id, Staged.ACTIVE, school_id, entry.title, entry.code or None, terms)
        self._findings.warn(*self._terms.unknown(school_id, entry))
        self._periods[school_id, entry.source_id] = entry.periods
        if self._is_delta:
            self._stage(entry.row, entry.source_id, Staged.GONE)  # ends the class at another school

    def _leave_out(self, entry: LeftOut) -> None:
        self._findings.leave_out(FILE, entry)
        if entry.source_id is not None and not entry.is_repeated:
            self.left_out.add(entry.source_id)
            self._stage(entry.row, entry.source_id, Staged.KEPT)

    def _stage(
        self,
        row: int,
        source_id: str,
        state: Staged,
        school_id: int | None = None,
        title: str | None = None,
        code: str | None = None,
        terms: str | None = None,
    ) -> None:
        staged = {"row": row, "school_id": school_id, "source_id": source_id, "state": state.value}
        self._staged.append({**staged, "title": title, "code": code, "term_source_ids": terms})


def session_title(period: str) -> str:
    """`Period 1` for a number; another period is its own title."""
    if not period:
        return DEFAULT_SESSION
    return f"Period {period}" if period[0].isdigit() else period


def _no_school(entry: SchoolClass) -> Violation:
    return row_violation("no_school", FILE, entry.row, f"org {entry.school} is not a school", column="schoolSourcedId")
