"""The options that narrow a list of attendance records."""

from __future__ import annotations

from datetime import date

import typer

from adsum.attendance.filters import RecordFilters


def read_filters(
    class_id: int | None,
    session_id: int | None,
    student_id: int | None,
    first_day: date | None,
    last_day: date | None,
    status: str | None,
) -> RecordFilters:
    """The filters that options name. Raises `typer.BadParameter`: the days are reversed."""
    if first_day is not None and last_day is not None and last_day < first_day:
        raise typer.BadParameter(f"{last_day} is before {first_day}", param_hint="--to")
    return RecordFilters(class_id, session_id, student_id, first_day, last_day, status)
