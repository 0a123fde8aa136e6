"""The outcome of each student of a batch: its reason, as a code that never changes and as a text for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

from adsum.attendance.rules import Mark
from adsum.batches.rules import OnExisting, Outcome
from adsum.platform.ids import Batch


class Reason(StrEnum):
    """Why a job failed, was skipped or was cancelled. The codes of failures are stored."""

    NOT_ENROLLED = "not_enrolled"
    REJECTED = "rejected_by_database"
    WORKER_DIED = "worker_died"
    CANCELLED = "cancelled"
    ALREADY_RECORDED = "already_recorded"
    UNCHANGED = "unchanged"
    RECORDED_MEANWHILE = "recorded_meanwhile"
    CHANGED_MEANWHILE = "changed_meanwhile"


def translatable(text: str) -> str:
    """Marks a text for the catalogues of the pages."""
    return text


REASON_TEXTS: Mapping[str, str] = {
    Reason.NOT_ENROLLED: translatable("the student was no longer enrolled on that day when the job was processed"),
    Reason.REJECTED: translatable("the database refused this record"),
    Reason.WORKER_DIED: translatable("every worker that processed this job crashed"),
    Reason.CANCELLED: translatable("the batch was cancelled before this job was processed"),
    Reason.ALREADY_RECORDED: translatable("the student had a record when the batch was sent, and it stays"),
    Reason.UNCHANGED: translatable("the student's record already has the requested mark"),
    Reason.RECORDED_MEANWHILE: translatable("the student got a record after the batch was sent, and it stays"),
    Reason.CHANGED_MEANWHILE: translatable(
        "the student's record was changed after the batch was sent, and the change stays"
    ),
}
"""The text of each reason, for the API, the command line and, translated, the pages."""


def reason_text(code: str) -> str:
    """The text of a reason. A code that a newer version has stored is returned as words."""
    return REASON_TEXTS.get(code, code.replace("_", " "))


@dataclass(frozen=True, slots=True)
class CurrentRecord:
    """The current record of a student. `status` is None where the mark was cleared."""

    id: int
    status: str | None
    note: str | None
    version: int


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One student of a batch.

    Attributes:
        batch: the batch.
        student_id: the student.
        run_id: the newest of the selected runs that has the student; the outcome is that of this run.
        mark: the requested mark; None: the student's record was kept from the start, and the mark is not stored.
        outcome: of the job.
        reason: a code of `Reason`; None: the job is recorded or pending.
        recorded: the student's current record, from any source; None: there is none.
    """

    batch: Batch
    student_id: int
    run_id: str
    mark: Mark | None
    outcome: Outcome
    reason: str | None
    recorded: CurrentRecord | None

    @property
    def job_id(self) -> str:
        return self.batch.job_id(self.student_id)

    def without_marks(self) -> BatchJob:
        """The job as callers see it who may read batches but not records."""
        return replace(self, mark=None, recorded=None)


def reason_of(
    outcome: Outcome, *, failure: str | None, is_kept: bool, is_update: bool, on_existing: OnExisting
) -> str | None:
    """The reason of a job's outcome.

    Args:
        outcome: of the job.
        failure: the stored code, if any.
        is_kept: the run kept the student's record from the start.
        is_update: the job changes a record.
        on_existing: of the run.
    """
    match outcome:
        case Outcome.FAILED:
            return failure
        case Outcome.CANCELLED:
            return Reason.CANCELLED
        case Outcome.SKIPPED if is_kept:
            return Reason.UNCHANGED if on_existing is OnExisting.UPDATE else Reason.ALREADY_RECORDED
        case Outcome.SKIPPED:
            return Reason.CHANGED_MEANWHILE if is_update else Reason.RECORDED_MEANWHILE
        case Outcome.RECORDED | Outcome.PENDING:
            return None
    assert_never(outcome)
