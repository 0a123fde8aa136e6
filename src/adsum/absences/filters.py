"""Filters of lists. A filter that is None does not narrow; days are inclusive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class AbsenceFilters:
    """Which absences known beforehand; those that touch any of the days. Revoked ones only where asked for."""

    school_id: int | None = None
    class_id: int | None = None
    student_id: int | None = None
    first_day: date | None = None
    last_day: date | None = None
    with_revoked: bool = False
