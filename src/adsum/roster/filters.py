"""Filters of lists. A filter that is None does not narrow; days are inclusive."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class ClassFilters:
    """Which classes. `words` each stand in the title, the code or the source id, in any case of letters."""

    school_id: int | None = None
    words: str | None = None
    source_id: str | None = None
    active: bool | None = None


@dataclass(frozen=True, slots=True)
class SessionFilters:
    """Which sessions."""

    class_id: int | None = None


@dataclass(frozen=True, slots=True)
class StudentFilters:
    """Which students. `words` each stand in a name or the source id, in any case of letters.

    `day`: enrolled then, in `class_id` or in any class. With a class and no day, the day is the school's today.
    """

    words: str | None = None
    source_id: str | None = None
    class_id: int | None = None
    day: date | None = None


@dataclass(frozen=True, slots=True)
class PersonFilters:
    """Which people who work at a school. `school_id`: None for those who are of every school.

    `words` each stand in a name, the email or the source id, in any case of letters.
    """

    school_id: int | None
    words: str | None = None


@dataclass(frozen=True, slots=True)
class CoverFilters:
    """Which covers; those that touch any of the days."""

    school_id: int | None = None
    class_id: int | None = None
    teacher_id: int | None = None
    first_day: date | None = None
    last_day: date | None = None
