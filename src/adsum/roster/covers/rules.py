"""Cover: a teacher stands in for another, in a class or in one session of it, from a day to a day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from adsum.platform.errors import Violation

MAX_DAYS = 400


@dataclass(frozen=True, slots=True)
class Cover:
    """Who covers what, and when.

    Attributes:
        class_id: of the class.
        session_id: of the one session that is covered; None: all of the class.
        teacher_id: of the user who stands in.
        first_day, last_day: both inclusive.
    """

    class_id: int
    session_id: int | None
    teacher_id: int
    first_day: date
    last_day: date


def validate_days(cover: Cover) -> Iterator[Violation]:
    """What is wrong with the days of a cover."""
    if cover.last_day < cover.first_day:
        yield Violation(
            "days_reversed", f"the last day, {cover.last_day}, is before the first, {cover.first_day}", "/to"
        )
    elif (cover.last_day - cover.first_day).days >= MAX_DAYS:
        yield Violation("too_long", f"a cover has at most {MAX_DAYS} days", "/to", {"maximum": MAX_DAYS})


@dataclass(frozen=True, slots=True)
class CoverFilters:
    """Filters of covers: those that hold on any of the days, both inclusive. None does not narrow."""

    school_id: int | None = None
    class_id: int | None = None
    teacher_id: int | None = None
    first_day: date | None = None
    last_day: date | None = None
