"""Marks, recorded marks, and corrections of records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.platform.days import validate_stretch
from adsum.platform.errors import Violation
from adsum.platform.texts import validate_note, validate_reason


@dataclass(frozen=True, slots=True)
class Mark:
    """One student's status in one session, as it is requested.

    Attributes:
        status: a code of the school's.
        note: free text, or None.
        arrived_at, left_at: local 'HH:MM', or None.
        absence_id: of the planned absence that the mark comes from, or None.
    """

    status: str
    note: str | None = None
    arrived_at: str | None = None
    left_at: str | None = None
    absence_id: int | None = None


@dataclass(frozen=True, slots=True)
class RecordedMark:
    """The mark of a record, or of a job of an open run. A cleared mark has no status.

    `is_offices`: the office or a planned absence set it, and a teacher's mark does not overwrite it.
    """

    status: str | None
    note: str | None = None
    version: int = 0
    arrived_at: str | None = None
    left_at: str | None = None
    is_offices: bool = False

    def is_unchanged_by(self, mark: Mark) -> bool:
        """Whether recording `mark` would change nothing. A field that is None in the mark stays as it is."""
        return self.status == mark.status and all(
            requested is None or requested == recorded
            for requested, recorded in (
                (mark.note, self.note),
                (mark.arrived_at, self.arrived_at),
                (mark.left_at, self.left_at),
            )
        )


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
            _chosen(self.note, recorded.note if recorded.status is not None else None),
            version,
            arrived_at=_chosen(self.arrived_at, recorded.arrived_at if is_same else None),
            left_at=_chosen(self.left_at, recorded.left_at if is_same else None),
        )


def _chosen(requested: str | Keep | None, recorded: str | None) -> str | None:
    return recorded if requested is Keep.AS_IS else requested


def validate_correction(correction: Correction, recorded: RecordedMark, statuses: SchoolStatuses) -> list[Violation]:
    """All violations in a correction of this record, in a school with these statuses.

    A record keeps its status although the school has retired it.
    """
    return [
        *_validate_status(correction, recorded, statuses),
        *_validate_texts(correction),
        *_validate_times(correction, recorded),
    ]


def _validate_status(correction: Correction, recorded: RecordedMark, statuses: SchoolStatuses) -> Iterator[Violation]:
    if not correction.changes_mark:
        if correction.office_note is Keep.AS_IS:
            yield Violation("empty_correction", "nothing is to be changed: give a status, a note or both")
    elif correction.status is Keep.AS_IS and recorded.status is None:
        yield Violation("mark_cleared", "the mark was cleared: a note alone needs a status beside it", "/status")
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


def _validate_times(correction: Correction, recorded: RecordedMark) -> Iterator[Violation]:
    if correction.arrived_at is not Keep.AS_IS or correction.left_at is not Keep.AS_IS:
        corrected = correction.applied_to(recorded)
        yield from validate_stretch(("/arrivedAt", corrected.arrived_at), ("/leftAt", corrected.left_at))
