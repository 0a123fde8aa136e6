"""Filters of lists. A filter that is None does not narrow; days are inclusive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class ClosedDayFilters:
    """Which closed days."""

    first_day: date | None = None
    last_day: date | None = None
