"""A cover: a teacher replaces another, in a class or in one of its sessions, on some days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

MAX_DAYS = 400


@dataclass(frozen=True, slots=True)
class Cover:
    """A class or session that a teacher covers, and the days.

    Attributes:
        class_id: of the class.
        session_id: of the covered session; None covers the whole class.
        teacher_id: of the user who covers it.
        first_day, last_day: both inclusive.
    """

    class_id: int
    session_id: int | None
    teacher_id: int
    first_day: date
    last_day: date


@dataclass(frozen=True, slots=True)
class CoverRow:
    """A stored cover, with its author.

    Attributes:
        time_zone: IANA name, of its school.
        replaced_ids: the other teachers of the class on the days of the cover, who are away as far as the roster tells.
    """

    id: int
    school_id: int
    time_zone: str
    cover: Cover
    created_at: datetime
    created_role: str
    created_user_id: int | None
    created_key_id: int | None
    replaced_ids: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class CoverFilters:
    """Filters of covers: those that hold on any of the days, both inclusive. None does not narrow."""

    school_id: int | None = None
    class_id: int | None = None
    teacher_id: int | None = None
    first_day: date | None = None
    last_day: date | None = None
