"""Filters of disputed marks, and the decision that settles one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Holds(StrEnum):
    """The mark that holds: the recorded mark of the office, or the disputed mark of the teacher."""

    RECORDED = "recorded"
    SAID = "said"


@dataclass(frozen=True, slots=True)
class DisputeFilters:
    """Filters of open disputes; None does not filter, days are inclusive."""

    school_id: int | None = None
    class_id: int | None = None
    student_id: int | None = None
    first_day: date | None = None
    last_day: date | None = None
