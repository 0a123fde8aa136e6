"""The people who work at a school, and what they teach."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PersonFilters:
    """Filters of people. `school_id` None selects those who belong to every school.

    Each of `words` occurs in a name, the email or the source id; case is ignored.
    """

    school_id: int | None
    words: str | None = None
