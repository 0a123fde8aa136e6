"""The seed's ids: a batch is `class-123-session-456-date-25122024`, a job `student-7-session-456-date-25122024`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

MAX_ID = 2**63 - 1
_BATCH_ID = re.compile(r"class-([1-9][0-9]{0,18})-session-([1-9][0-9]{0,18})-date-([0-9]{2})([0-9]{2})([0-9]{4})")


@dataclass(frozen=True, slots=True, order=True)
class Batch:
    """The attendance of one class, in one session, on one learning date."""

    class_id: int
    session_id: int
    learning_date: date

    @property
    def id(self) -> str:
        return f"class-{self.class_id}-session-{self.session_id}-date-{formatted(self.learning_date)}"

    def job_id(self, student_id: int) -> str:
        """The id of one student's attendance job, which is also the name of its ticket in Redis."""
        return f"student-{student_id}-session-{self.session_id}-date-{formatted(self.learning_date)}"


@lru_cache(maxsize=64)  # called for each student of a class
def formatted(day: date) -> str:
    """The seed's DDMMYYYY."""
    return f"{day.day:02}{day.month:02}{day.year:04}"


def parse_batch_id(text: str) -> Batch | None:
    """Parses a batch id. None: the text is not a batch id, or its date does not exist."""
    match = _BATCH_ID.fullmatch(text)
    if match is None:
        return None
    class_id, session_id, day, month, year = (int(part) for part in match.groups())
    if max(class_id, session_id) > MAX_ID:
        return None
    try:
        return Batch(class_id, session_id, date(year, month, day))
    except ValueError:
        return None
