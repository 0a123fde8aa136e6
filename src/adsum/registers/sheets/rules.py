"""Values of a register sheet: the students of a day with their recorded marks, and the marks that a teacher sends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from adsum.absences.rules import AppliedAbsence
from adsum.attendance.rules import Mark
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.batches.rules import BatchStatus
from adsum.batches.submission import BatchResult
from adsum.platform.errors import AdsumError, Notice, Violation
from adsum.platform.ids import Batch
from adsum.platform.texts import search_spellings

# The office records a mark in spite of these, with a reason.
_OVERRULED = frozenset({"school_closed", "outside_class_terms", "reason_missing"})
# These refuse first marks only: a record of such a day can be corrected.
_OF_FIRST_MARKS = frozenset({"school_closed", "outside_class_terms"})


@dataclass(frozen=True, slots=True)
class SheetRecord:
    """The record of a student.

    Attributes:
        record_id, version: the record.
        mark: the recorded mark.
        is_offices: the office set the mark. A teacher does not overwrite it.
        disputed_status: the status from class that differs from the office's, or None.
    """

    record_id: int
    version: int
    mark: Mark
    is_offices: bool
    disputed_status: str | None = None


@dataclass(frozen=True, slots=True)
class ReportedAbsence:
    """The planned absence of a student that applies to the sheet. `reason`: None for callers who may not read it."""

    absence_id: int
    absence: AppliedAbsence
    reason: str | None


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A student of the sheet.

    Attributes:
        student_id: the student.
        name: the part by which the register is sorted comes first.
        distinction: grade and id, if another student of the sheet has the same name; else None.
        reported: the planned absence that applies, or None.
        record: the recorded mark; None: there is none, or it was cleared.
        requested: the mark of the newest run that is received and not recorded, or that failed; None: there is none.
        failure: the code of the reason why the newest run could not record the student, or None.
    """

    student_id: int
    name: str
    distinction: str | None
    reported: ReportedAbsence | None
    record: SheetRecord | None
    requested: Mark | None
    failure: str | None

    @property
    def mark(self) -> Mark | None:
        """The mark that the sheet shows: the requested one, else the recorded one."""
        return self.requested or (self.record and self.record.mark)

    @property
    def planned_status(self) -> str | None:
        """The status of the planned absence, or None."""
        return self.reported and self.reported.absence.status

    @property
    def search_text(self) -> str:
        """The spellings of the name, and the name in lower case."""
        return " ".join([*search_spellings(self.name), self.name.lower()])


@dataclass(frozen=True, slots=True)
class RegisterSheet:
    """The register of a class, a session and a day, for the person who takes it.

    Attributes:
        batch: the class, the session and the day.
        school_id: of the class.
        time_zone: of the school.
        class_title, session_title: their titles.
        today: the school's today.
        times: when the session meets on the day, local 'HH:MM'; empty: unknown.
        roster_version: sent back with the marks, so that no mark is made by an outdated roster.
        rows: the students of the day, in the order of the class.
        statuses: of the school.
        newest_run: the progress of the newest submission; None: there is none.
        obstacles: violations of every mark of the day that this person sends without a reason.
        overrules: whether this person belongs to the office.
        warnings: about recording the session on this day.
    """

    batch: Batch
    school_id: int
    time_zone: str
    class_title: str
    session_title: str
    today: date
    times: Sequence[tuple[str, str]]
    roster_version: str
    rows: Sequence[SheetRow]
    statuses: SchoolStatuses
    newest_run: BatchStatus | None
    obstacles: Sequence[Violation] = ()
    overrules: bool = False
    warnings: Sequence[Notice] = ()

    @property
    def is_today(self) -> bool:
        return self.batch.learning_date == self.today

    @property
    def takes_first_marks(self) -> bool:
        """Whether this person can mark a student who has no record."""
        return all(self.overrules and each.code in _OVERRULED for each in self.obstacles)

    @property
    def takes_corrections(self) -> bool:
        """Whether this person can correct a record."""
        remaining = [each for each in self.obstacles if each.code not in _OF_FIRST_MARKS]
        return all(self.overrules and each.code in _OVERRULED for each in remaining)

    @property
    def is_locked(self) -> bool:
        """Whether this person can save nothing: no first mark, and there is no record to correct."""
        has_records = any(row.record is not None for row in self.rows)
        return not self.takes_first_marks and not (self.takes_corrections and has_records)

    @property
    def counts(self) -> Mapping[str, int]:
        """The number of marks by status, as the sheet shows them."""
        return Counter(row.mark.status for row in self.rows if row.mark is not None)

    @property
    def failed(self) -> Sequence[SheetRow]:
        """The students whom the newest run could not record."""
        return [row for row in self.rows if row.failure is not None]


@dataclass(frozen=True, slots=True)
class SheetMark:
    """A new or changed mark of one student.

    Attributes:
        student_id: the student.
        mark: the mark.
        record_id, version: the record that the sheet showed; None: it showed none.
    """

    student_id: int
    mark: Mark
    record_id: int | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class SubmittedSheet:
    """The new and changed marks of a sheet, and the version of the roster that it showed."""

    batch: Batch
    roster_version: str
    marks: Sequence[SheetMark]
    idempotency_key: str | None = None
    force: bool = False
    reason: str | None = None

    @property
    def first_marks(self) -> list[SheetMark]:
        """Marks of students without a record. They are submitted as one batch."""
        return [mark for mark in self.marks if mark.record_id is None]

    @property
    def changed_marks(self) -> list[SheetMark]:
        """Marks of students with a record. Each is a correction of the version that the sheet showed."""
        return [mark for mark in self.marks if mark.record_id is not None]


@dataclass(frozen=True, slots=True)
class SavedSheet:
    """The result of saving a sheet.

    Attributes:
        submitted: the batch of the first marks; None: there were none.
        corrected: students whose record now has the requested mark.
        kept: students whose record is the office's and stays; the requested mark is kept beside it as disputed.
        refused: by student, the reason why the record did not change.
    """

    submitted: BatchResult | None
    corrected: Sequence[int]
    kept: Sequence[int]
    refused: Mapping[int, AdsumError]
