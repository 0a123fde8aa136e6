"""Corrections: what is to be changed about one record, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from adsum.attendance.statuses.rules import MAX_NOTE, SchoolStatuses
from adsum.batches.plan import Existing
from adsum.batches.selection import UNSTORABLE
from adsum.platform.errors import Violation
from adsum.platform.local_times import validate_stretch

MAX_REASON = 500


class Keep(Enum):
    """In the place of a value: it stays as it is."""

    AS_IS = auto()


@dataclass(frozen=True, slots=True)
class Correction:
    """What is to be changed.

    Attributes:
        status: a code of the school's; None clears the mark, and its note and times with it.
        note: free text; None takes it away.
        reason: why, for the history; or None.
        arrived_at, left_at: local 'HH:MM'; None takes it away.
        office_note: free text for the office alone; None takes it away.
    """

    status: str | Keep | None = Keep.AS_IS
    note: str | Keep | None = Keep.AS_IS
    reason: str | None = None
    arrived_at: str | Keep | None = Keep.AS_IS
    left_at: str | Keep | None = Keep.AS_IS
    office_note: str | Keep | None = Keep.AS_IS

    @property
    def changes_mark(self) -> bool:
        """Whether it is about more than the office's own note."""
        asked = (self.status, self.note, self.arrived_at, self.left_at)
        return any(value is not Keep.AS_IS for value in asked)

    def applied_to(self, standing: Existing) -> Existing:
        """What the record is to say, one version on.

        A note of a mark that was cleared does not come back. When somebody came and left is told of the status that
        stands, and goes with it.
        """
        status = standing.status if self.status is Keep.AS_IS else self.status
        version = standing.version + 1
        if status is None:
            return Existing(None, None, version)
        is_same = status == standing.status
        return Existing(
            status,
            _chosen(self.note, standing.note if standing.status is not None else None),
            version,
            arrived_at=_chosen(self.arrived_at, standing.arrived_at if is_same else None),
            left_at=_chosen(self.left_at, standing.left_at if is_same else None),
        )


def _chosen(asked: str | Keep | None, standing: str | None) -> str | None:
    return standing if asked is Keep.AS_IS else asked


def validate_correction(correction: Correction, standing: Existing, statuses: SchoolStatuses) -> list[Violation]:
    """Everything that is wrong with a correction of a record that says `standing`, in a school with these statuses.

    A status that stands can stay, also where it is not given any more.
    """
    return [
        *_validate_status(correction, standing, statuses),
        *_validate_texts(correction),
        *_validate_times(correction, standing),
    ]


def _validate_status(correction: Correction, standing: Existing, statuses: SchoolStatuses) -> Iterator[Violation]:
    if not correction.changes_mark:
        if correction.office_note is Keep.AS_IS:
            yield Violation("empty_correction", "nothing is to be changed: give a status, a note or both")
    elif correction.status is Keep.AS_IS and standing.status is None:
        yield Violation("mark_cleared", "the mark was cleared: a note alone needs a status beside it", "/status")
    elif isinstance(correction.status, str) and correction.status != standing.status:
        violation = statuses.violation_of(correction.status, "/status")
        if violation is not None:
            yield violation


def _validate_texts(correction: Correction) -> Iterator[Violation]:
    if isinstance(correction.note, str):
        yield from _validate_text("note", correction.note, MAX_NOTE)
    if isinstance(correction.office_note, str):
        yield from _validate_text("note", correction.office_note, MAX_NOTE, "/officeNote")
    yield from validate_reason(correction.reason)


def _validate_times(correction: Correction, standing: Existing) -> Iterator[Violation]:
    if correction.arrived_at is not Keep.AS_IS or correction.left_at is not Keep.AS_IS:
        after = correction.applied_to(standing)
        yield from validate_stretch(("/arrivedAt", after.arrived_at), ("/leftAt", after.left_at))


def validate_reason(reason: str | None) -> Iterator[Violation]:
    """What is wrong with the reason of a change, if there is one."""
    if reason is not None:
        yield from _validate_text("reason", reason, MAX_REASON)


def _validate_text(name: str, text: str, most: int, pointer: str | None = None) -> Iterator[Violation]:
    at = pointer or f"/{name}"
    if len(text) > most:
        yield Violation(f"{name}_too_long", f"a {name} has at most {most} characters", at, {"most": most})
    elif UNSTORABLE.search(text):
        yield Violation(f"{name}_not_text", f"a {name} has no NUL and no half of a character", at)
