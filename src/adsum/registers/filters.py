"""Filters of lists. A filter that is None does not narrow; days are inclusive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class RegisterFilters:
    """Which registers. `day`: without it the today of each school. `teacher_id`: of who teaches the class then."""

    day: date | None = None
    school_id: int | None = None
    class_id: int | None = None
    teacher_id: int | None = None
    # What is taken is left out.
    missing_only: bool = True
    # What begins later today, or is of a day to come, is not due, and listed all the same.
    with_upcoming: bool = False
