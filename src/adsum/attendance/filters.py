"""Filters of lists. A filter that is None does not narrow; days are inclusive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class RecordFilters:
    """Which attendance records. `status` is a code; cleared marks, which have none, are found without it."""

    class_id: int | None = None
    session_id: int | None = None
    student_id: int | None = None
    first_day: date | None = None
    last_day: date | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class ContradictionFilters:
    """Which contradictions between what the office has set and what was said in class."""

    school_id: int | None = None
    class_id: int | None = None
    student_id: int | None = None
    first_day: date | None = None
    last_day: date | None = None
