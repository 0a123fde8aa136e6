"""What can be recorded about a student: a status, and a note."""

from __future__ import annotations

from dataclasses import dataclass

PRESENT = "present"
ABSENT = "absent"
DEFAULT_STATUSES = (PRESENT, ABSENT, "late", "excused")
MAX_NOTE = 500


@dataclass(frozen=True, slots=True)
class Mark:
    """One student's status in one session. `status` is a code of the school's; `note` is free text, or None."""

    status: str
    note: str | None = None
