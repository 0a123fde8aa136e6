"""A hold on the data of a student: while it lasts, neither retention nor an erasure nor a merge deletes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from adsum.platform.errors import Conflict, Violation
from adsum.platform.texts import UNSTORABLE, UNSTORABLE_TEXT

MAX_REFERENCE = 64


class HoldReason(StrEnum):
    """Why data are held. A code instead of a text, because a text about a case would be personal data itself."""

    LITIGATION = "litigation"
    SAFEGUARDING = "safeguarding"
    INVESTIGATION = "investigation"
    ACCESS_REQUEST = "access_request"
    OTHER = "other"


class StudentOnHold(Conflict):
    """The data of the student are on hold. The violations have the reason of each hold."""

    code = "student_on_hold"


class HoldExists(Conflict):
    """The student is on hold for this reason already."""

    code = "hold_exists"


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold, in effect until `lifted_at`.

    Attributes:
        reference: of the case, such as its number; no name and no facts.
        placed_role, user_id, key_id: who placed it; without user and key: the command line.
        lifted_role, lifted_user_id, lifted_key_id: who lifted it.
    """

    id: int
    student_id: int
    reason: str
    reference: str | None
    placed_at: datetime
    placed_role: str
    user_id: int | None
    key_id: int | None
    lifted_at: datetime | None = None
    lifted_role: str | None = None
    lifted_user_id: int | None = None
    lifted_key_id: int | None = None


def validate_reference(reference: str | None) -> Iterator[Violation]:
    """The violations of a reference."""
    if reference is None:
        return
    if len(reference) > MAX_REFERENCE:
        detail = f"a reference has at most {MAX_REFERENCE} characters: the number of the case, not its facts"
        yield Violation("too_long", detail, "/reference", {"maximum": MAX_REFERENCE})
    if UNSTORABLE.search(reference):
        yield Violation("wrong_text", f"a text {UNSTORABLE_TEXT}", "/reference")


def refuse_held(student_id: int, holds: list[Hold]) -> None:
    """Raises StudentOnHold if there is a hold."""
    if holds:
        detail = f"the data of student {student_id} are on hold: lift the hold first"
        violations = [
            Violation(
                StudentOnHold.code, f"{detail} ({hold.reason})", params={"holdId": hold.id, "reason": hold.reason}
            )
            for hold in holds
        ]
        raise StudentOnHold(detail, violations, studentId=student_id)
