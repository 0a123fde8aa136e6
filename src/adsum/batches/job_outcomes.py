"""What became of each student of a batch, and why: codes that never change, and words for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any, assert_never

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


DETAILS: Mapping[str, str] = {
    Reason.NOT_ENROLLED: "the student was not enrolled on that day any more when the job was processed",
    Reason.REJECTED: "the database refused this record",
    Reason.WORKER_DIED: "every worker that processed this job died of it",
    Reason.CANCELLED: "the batch was cancelled before this job was processed",
    Reason.ALREADY_RECORDED: "the student had a record when the batch was sent, and it stays",
    Reason.UNCHANGED: "the student's record says what was asked already",
    Reason.RECORDED_MEANWHILE: "the student got a record after the batch was sent, and it stays",
    Reason.CHANGED_MEANWHILE: "the student's record was changed after the batch was sent, and stays so",
}


def detail_of(code: str) -> str:
    """A reason in words. A newer version may have stored one that this version does not know."""
    return DETAILS.get(code, code.replace("_", " "))


@dataclass(frozen=True, slots=True)
class StandingRecord:
    """What is recorded of a student now. A cleared mark has no status."""

    id: int
    status: str | None
    note: str | None
    version: int


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One student of a batch.

    Attributes:
        batch: which.
        student_id: who.
        run_id: the newest of the runs asked for that has the student: its outcome is told.
        mark: what was asked; None where the student's record was kept from the start, since then it is not stored.
        outcome: what became of it.
        reason: a code of `Reason`, or None: it is recorded, or pending.
        recorded: what the record says now, whoever wrote it; None: there is none.
    """

    batch: Batch
    student_id: int
    run_id: str
    mark: Mark | None
    outcome: Outcome
    reason: str | None
    recorded: StandingRecord | None

    @property
    def job_id(self) -> str:
        return self.batch.job_id(self.student_id)

    def to_json(self) -> dict[str, Any]:
        """Every field that users are shown, under its name in the HTTP API."""
        return {
            "jobId": self.job_id,
            "studentId": self.student_id,
            "runId": self.run_id,
            "status": self.mark.status if self.mark is not None else None,
            "note": self.mark.note if self.mark is not None else None,
            "outcome": self.outcome,
            "reason": {"code": self.reason, "detail": detail_of(self.reason)} if self.reason is not None else None,
            "recorded": asdict(self.recorded) if self.recorded is not None else None,
        }

    def without_marks(self) -> BatchJob:
        """For who may follow batches, and not read what is recorded of students."""
        return replace(self, mark=None, recorded=None)


def reason_of(
    outcome: Outcome, *, failure: str | None, is_kept: bool, is_update: bool, on_existing: OnExisting
) -> str | None:
    """Why a job has this outcome.

    Args:
        outcome: of the job.
        failure: the code that was stored, if any.
        is_kept: the student's record was to stay from the start.
        is_update: the job was to change a record.
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
        case _:
            assert_never(outcome)
