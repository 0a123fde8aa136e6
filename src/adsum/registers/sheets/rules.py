"""The sheet on which a register is taken: every student of the day with what stands, and what somebody makes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.batches.rules import BatchStatus
from adsum.batches.submission import BatchResult
from adsum.platform.errors import AdsumError
from adsum.platform.ids import Batch


@dataclass(frozen=True, slots=True)
class Standing:
    """What is recorded of a student. `is_offices`: a teacher does not overwrite it. `said`: what one said instead."""

    record_id: int
    version: int
    status: str
    note: str | None
    is_offices: bool
    said: str | None = None


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A student of the sheet.

    Attributes:
        student_id: who.
        given_name, family_name: of the student.
        told_apart_by: what a second line says, where another student of the sheet has the same name.
        known: the status that the register will say by an absence known beforehand, or None.
        standing: what is recorded; None: nothing, or the mark was cleared.
        failure: why the newest run could not record the student, or None.
    """

    student_id: int
    given_name: str
    family_name: str
    told_apart_by: str | None
    known: str | None
    standing: Standing | None
    failure: str | None


@dataclass(frozen=True, slots=True)
class RegisterSheet:
    """The register of a class, a session and a day, for who takes it.

    Attributes:
        batch: which.
        school_id: of the class's school.
        class_title, session_title: their names.
        today: the school's today.
        roster_version: to be sent back, so that nobody is marked by a roster that is no longer true.
        rows: the students of the day, in the school's order.
        statuses: of the school.
        newest_run: how far the newest submission has come; None: there was none.
    """

    batch: Batch
    school_id: int
    class_title: str
    session_title: str
    today: date
    roster_version: str
    rows: Sequence[SheetRow]
    statuses: SchoolStatuses
    newest_run: BatchStatus | None

    @property
    def is_today(self) -> bool:
        return self.batch.learning_date == self.today

    @property
    def counts(self) -> Mapping[str, int]:
        """How many students have which status by what is recorded."""
        return Counter(row.standing.status for row in self.rows if row.standing is not None)


@dataclass(frozen=True, slots=True)
class SheetMark:
    """What somebody wants of one student.

    Attributes:
        student_id: who.
        status, note: the mark.
        record_id, version: of the record that stood on the sheet; None: nothing stood there.
    """

    student_id: int
    status: str
    note: str | None = None
    record_id: int | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class TakenSheet:
    """A sheet as it is handed in: the marks that are new or changed, by the roster that was seen."""

    batch: Batch
    roster_version: str
    marks: Sequence[SheetMark]
    idempotency_key: str | None = None
    force: bool = False
    reason: str | None = None

    @property
    def first_marks(self) -> list[SheetMark]:
        """Of students who had no mark: they go through the queue, as one batch."""
        return [mark for mark in self.marks if mark.record_id is None]

    @property
    def changed_marks(self) -> list[SheetMark]:
        """Of students who had one: each is a correction of the version that was seen."""
        return [mark for mark in self.marks if mark.record_id is not None]


@dataclass(frozen=True, slots=True)
class SavedSheet:
    """What became of a sheet.

    Attributes:
        submitted: the batch of the first marks; None: there were none.
        corrected: the students whose record says now what was asked.
        kept: the students whose mark is the office's, and stays; what was asked stands beside it.
        refused: by student, why their record stays as it is.
    """

    submitted: BatchResult | None
    corrected: Sequence[int]
    kept: Sequence[int]
    refused: Mapping[int, AdsumError]
