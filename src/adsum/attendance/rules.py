"""Marks, attendance records, their changes and corrections, and disputed marks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Self

from adsum.accounts.access import Caller, Role
from adsum.attendance.statuses.rules import CountsAs, Status, StatusFlag
from adsum.platform.days import validate_stretch
from adsum.platform.errors import Violation
from adsum.platform.ids import Batch
from adsum.platform.texts import note_text

A_MONTH = timedelta(days=31)

OFFICE_ROLES = (Role.OFFICE.value, Role.ADMIN.value)
"""The roles of authors whose marks are the office's."""


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
        """Whether recording `mark` would change nothing. A field that is None in the mark stays as it is.

        Blanks at the ends of a note are no difference: older versions stored them.
        """
        return self.status == mark.status and all(
            requested is None or requested == recorded
            for requested, recorded in (
                (mark.note and note_text(mark.note), self.note and note_text(self.note)),
                (mark.arrived_at, self.arrived_at),
                (mark.left_at, self.left_at),
            )
        )


RecordPosition = tuple[int, date, int, int]
"""The sort key of a list of records: school, learning date, session, student. None of them ever changes."""


@dataclass(frozen=True, slots=True)
class RecordFilters:
    """Filters of records; None does not filter, days are inclusive. A `status` excludes cleared marks."""

    school_id: int | None = None
    class_id: int | None = None
    session_id: int | None = None
    student_id: int | None = None
    first_day: date | None = None
    last_day: date | None = None
    status: str | None = None


def is_bulk(filters: RecordFilters) -> bool:
    """Whether an export has records of whole schools, over more than a month."""
    if any(each is not None for each in (filters.class_id, filters.session_id, filters.student_id)):
        return False
    days = filters.first_day, filters.last_day
    return days[0] is None or days[1] is None or days[1] - days[0] > A_MONTH


@dataclass(frozen=True, slots=True)
class Record:
    """The attendance record of a student in one session on one learning date. A cleared mark has no status."""

    id: int
    school_id: int
    class_id: int
    session_id: int
    learning_date: date
    student_id: int
    status: str | None
    note: str | None
    version: int
    marked_at: datetime
    marked_role: str
    user_id: int | None
    arrived_at: str | None
    left_at: str | None
    office_note: str | None
    absence_id: int | None
    is_offices: bool

    @property
    def batch(self) -> Batch:
        return Batch(self.class_id, self.session_id, self.learning_date)

    @property
    def batch_id(self) -> str:
        return self.batch.id

    @property
    def mark(self) -> RecordedMark:
        return RecordedMark(self.status, self.note, self.version, self.arrived_at, self.left_at, self.is_offices)

    @property
    def position(self) -> RecordPosition:
        return (self.school_id, self.learning_date, self.session_id, self.student_id)

    def visible_to(self, caller: Caller) -> Self:
        """The record without the office's note, unless the caller belongs to the office."""
        return self if self.office_note is None or caller.overrules else replace(self, office_note=None)


@dataclass(frozen=True, slots=True)
class DescribedRecord(Record):
    """A record, with its student, class and session as the roster has them now. Names need `roster:read`.

    Attributes:
        student_source_id, class_source_id, session_source_id: in the roster file or on the platform, if they have one.
        period: of the session; '' if the class has no periods.
        given_name, family_name: of the student.
        class_title, session_title: their titles.
    """

    student_source_id: str | None
    given_name: str | None
    family_name: str | None
    class_source_id: str | None
    class_title: str | None
    session_source_id: str | None
    period: str
    session_title: str | None


@dataclass(frozen=True, slots=True)
class RecordChange:
    """One version of a record, and the values before it.

    Attributes:
        version: of the record after the change; 1 is the mark with which the record begins.
        old_status, old_note: before the change; None if there was no mark.
        new_status, new_note: after the change.
        changed_at: of a change by a run, the time at which the run was accepted.
        changed_role: the role of the author.
        user_id, key_id: the author; both None for the command line and the library.
        reason: of a correction, or None.
        run_id: the run that made the change, or None.
        undoes_run_id: the run that the change undoes, or None.
        old_arrived_at, old_left_at, new_arrived_at, new_left_at: local 'HH:MM', or None.
        old_office_note, new_office_note: both None if the change keeps the office's note.
        absence_id: the planned absence that the new mark comes from, or None.
    """

    version: int
    old_status: str | None
    old_note: str | None
    new_status: str | None
    new_note: str | None
    changed_at: datetime
    changed_role: str
    user_id: int | None
    key_id: int | None
    reason: str | None
    run_id: str | None
    undoes_run_id: str | None = None
    old_arrived_at: str | None = None
    old_left_at: str | None = None
    new_arrived_at: str | None = None
    new_left_at: str | None = None
    old_office_note: str | None = None
    new_office_note: str | None = None
    absence_id: int | None = None

    @property
    def changes_office_note(self) -> bool:
        return self.old_office_note != self.new_office_note

    @property
    def changes_anything(self) -> bool:
        old = self.old_status, self.old_note, self.old_arrived_at, self.old_left_at, self.old_office_note
        new = self.new_status, self.new_note, self.new_arrived_at, self.new_left_at, self.new_office_note
        return old != new

    def visible_to(self, caller: Caller) -> RecordChange:
        """The change without the office's notes, unless the caller belongs to the office."""
        return self if caller.overrules else replace(self, old_office_note=None, new_office_note=None)


# With one of these, a status that counts as absent has times: a student is excused until 10:00.
_FLAGS_WITH_TIMES = frozenset({StatusFlag.LATE, StatusFlag.LEFT_EARLY, StatusFlag.PARTIAL, StatusFlag.AUTHORISED})


def may_have_times(status: Status) -> bool:
    """Whether a mark with this status may have an arrival or a departure."""
    return status.counts_as is not CountsAs.ABSENT or bool(status.flags & _FLAGS_WITH_TIMES)


def validate_times_of_mark(
    status: Status | None, arrived_at: str | None, left_at: str | None, ends: str | None, pointer: str = ""
) -> Iterator[Violation]:
    """Violations in the times of a mark.

    Args:
        status: of the mark; None: unknown, which is a violation of its own.
        arrived_at, left_at: 'HH:MM', or None.
        ends: the end of the session on that day; None: unknown.
        pointer: of the mark.
    """
    arrival, departure = (f"{pointer}/arrivedAt", arrived_at), (f"{pointer}/leftAt", left_at)
    wrong = list(validate_stretch(arrival, departure))
    yield from wrong
    if status is not None and not may_have_times(status):
        for at, time in (arrival, departure):
            if time is not None:
                detail = f"{status.code} means that the student was not there: omit the time, or give another status"
                yield Violation("absent_with_time", detail, at, {"status": status.code})
    if not wrong and arrived_at is not None and ends is not None and arrived_at > ends:
        detail = f"the arrival at {arrived_at} is after the end of the session at {ends}"
        yield Violation("arrived_after_end", detail, arrival[0], {"ends": ends})


@dataclass(frozen=True, slots=True)
class DisputedMark:
    """A teacher's mark for a student whose recorded mark is the office's. It is stored beside the record."""

    school_id: int
    batch: Batch
    student_id: int
    mark: Mark
    author: Caller
    at: datetime


@dataclass(frozen=True, slots=True)
class OpenDispute:
    """A disputed mark that the office has not settled, and the record that it disputes.

    Attributes:
        attendance_id, version: of the record.
        recorded, recorded_note: the office's mark.
        disputed, disputed_note: the teacher's mark.
        disputed_at, disputed_role, user_id, key_id: when it was made, and its author.
    """

    id: int
    school_id: int
    class_id: int
    session_id: int
    learning_date: date
    student_id: int
    attendance_id: int
    version: int
    recorded: str
    recorded_note: str | None
    disputed: str
    disputed_note: str | None
    disputed_at: datetime
    disputed_role: str
    user_id: int | None
    key_id: int | None


@dataclass(frozen=True, slots=True)
class VisibleRecord:
    """A record as a caller sees it, and the open dispute about it, if there is one."""

    record: DescribedRecord
    dispute: OpenDispute | None
