"""Corrections of one record: which ones are valid, and the change that each makes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from adsum.accounts.access import Caller
from adsum.attendance.rules import Record, RecordChange, RecordedMark, validate_times_of_mark
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.platform.errors import Violation
from adsum.platform.texts import note_text, validate_note, validate_reason


class Keep(Enum):
    """Replaces a value in a correction: the recorded value stays."""

    AS_IS = auto()


@dataclass(frozen=True, slots=True)
class Correction:
    """A change of one record.

    Attributes:
        status: a code of the school's; None clears the mark with its note and times.
        note: free text; None removes it.
        reason: of the change, for the history; or None.
        arrived_at, left_at: local 'HH:MM'; None removes it.
        office_note: free text that only the office reads; None removes it.
    """

    status: str | Keep | None = Keep.AS_IS
    note: str | Keep | None = Keep.AS_IS
    reason: str | None = None
    arrived_at: str | Keep | None = Keep.AS_IS
    left_at: str | Keep | None = Keep.AS_IS
    office_note: str | Keep | None = Keep.AS_IS

    @property
    def changes_mark(self) -> bool:
        """Whether it changes more than the office's note."""
        values = (self.status, self.note, self.arrived_at, self.left_at)
        return any(value is not Keep.AS_IS for value in values)

    def applied_to(self, recorded: RecordedMark) -> RecordedMark:
        """The record's next version.

        The note of a cleared mark does not return. Times belong to the status: a new status drops them.
        """
        status = recorded.status if self.status is Keep.AS_IS else self.status
        version = recorded.version + 1
        if status is None:
            return RecordedMark(None, None, version)
        is_same = status == recorded.status
        return RecordedMark(
            status,
            _stored_note(self.note, recorded.note if recorded.status is not None else None),
            version,
            arrived_at=_requested_or_recorded(self.arrived_at, recorded.arrived_at if is_same else None),
            left_at=_requested_or_recorded(self.left_at, recorded.left_at if is_same else None),
        )


def _requested_or_recorded(requested: str | Keep | None, recorded: str | None) -> str | None:
    return recorded if requested is Keep.AS_IS else requested


def _stored_note(requested: str | Keep | None, recorded: str | None) -> str | None:
    return _requested_or_recorded(note_text(requested) if isinstance(requested, str) else requested, recorded)


def change_of(record: Record, correction: Correction, author: Caller, at: datetime) -> RecordChange:
    """The change that a correction makes to a record."""
    corrected = correction.applied_to(record.mark)
    changes_office_note = correction.office_note is not Keep.AS_IS
    return RecordChange(
        version=corrected.version,
        old_status=record.status,
        old_note=record.note,
        new_status=corrected.status,
        new_note=corrected.note,
        changed_at=at,
        changed_role=author.role.value,
        user_id=author.user_id,
        key_id=author.key_id,
        reason=correction.reason,
        run_id=None,
        old_arrived_at=record.arrived_at,
        old_left_at=record.left_at,
        new_arrived_at=corrected.arrived_at,
        new_left_at=corrected.left_at,
        old_office_note=record.office_note if changes_office_note else None,
        new_office_note=_stored_note(correction.office_note, None),
    )


def validate_correction(
    correction: Correction, recorded: RecordedMark, statuses: SchoolStatuses, ends: str | None = None
) -> list[Violation]:
    """All violations in a correction of this record, in a school with these statuses.

    `ends` is the end of the session on that day; None: unknown. A record keeps its status although the school has
    retired it.
    """
    return [
        *_validate_status(correction, recorded, statuses),
        *_validate_texts(correction),
        *_validate_times(correction, recorded, statuses, ends),
    ]


def _validate_status(correction: Correction, recorded: RecordedMark, statuses: SchoolStatuses) -> Iterator[Violation]:
    if not correction.changes_mark:
        if correction.office_note is Keep.AS_IS:
            yield Violation("empty_correction", "nothing to change: give a status, a note or both")
    elif correction.status is Keep.AS_IS and recorded.status is None:
        yield Violation("mark_cleared", "the mark was cleared: a note needs a status", "/status")
    elif isinstance(correction.status, str) and correction.status != recorded.status:
        violation = statuses.violation_of(correction.status, "/status")
        if violation is not None:
            yield violation


def _validate_texts(correction: Correction) -> Iterator[Violation]:
    if isinstance(correction.note, str):
        yield from validate_note(correction.note)
    if isinstance(correction.office_note, str):
        yield from validate_note(correction.office_note, "/officeNote")
    yield from validate_reason(correction.reason)


def _validate_times(
    correction: Correction, recorded: RecordedMark, statuses: SchoolStatuses, ends: str | None
) -> Iterator[Violation]:
    if correction.arrived_at is not Keep.AS_IS or correction.left_at is not Keep.AS_IS:
        corrected = correction.applied_to(recorded)
        status = statuses.get(corrected.status) if corrected.status is not None else None
        # A stored arrival is not compared with the timetable, which may have changed since.
        ends = ends if correction.arrived_at is not Keep.AS_IS else None
        yield from validate_times_of_mark(status, corrected.arrived_at, corrected.left_at, ends)
