"""Results of batches as the command line prints them, under the names of the HTTP API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adsum.batches.job_outcomes import BatchJob, detail_of
from adsum.batches.listing import BatchDetails
from adsum.batches.plan import MarkConflict
from adsum.batches.submission import BatchResult

STATUS_COLUMNS = (
    "batchId",
    "state",
    "progress",
    "totalJobs",
    "recordedJobs",
    "skippedJobs",
    "failedJobs",
    "cancelledJobs",
    "startedAt",
)
RUN_COLUMNS = (
    "number",
    "state",
    "totalJobs",
    "recordedJobs",
    "skippedJobs",
    "failedJobs",
    "cancelledJobs",
    "acceptedAt",
)
# On a narrow terminal whoever looks at batches or runs wants to see what went wrong.
DISPENSABLE = ("skippedJobs", "recordedJobs", "startedAt", "acceptedAt", "totalJobs", "cancelledJobs")
JOB_COLUMNS = ("studentId", "asked", "outcome", "recorded", "reason")


def result_row(result: BatchResult) -> dict[str, Any]:
    """The answer to `batch create`."""
    return {
        "batchId": result.batch_id,
        "totalJobs": result.total_jobs,
        "addedJobs": result.added_jobs,
        "skippedJobs": result.skipped_jobs,
        "lockKey": result.lock_key,
        "message": result.message,
        "runId": result.run_id,
        "isSkipped": result.is_skipped,
        "conflicts": [_conflict_row(conflict) for conflict in result.conflicts],
        "warnings": [{"code": notice.code, "detail": notice.detail} for notice in result.warnings],
    }


def details_row(details: BatchDetails, jobs: Sequence[BatchJob]) -> dict[str, Any]:
    """One batch with its runs and these of its students."""
    rows = {"runs": [run.to_json() for run in details.runs], "jobs": [job.to_json() for job in jobs]}
    return details.status.to_json() | rows


def job_cells(job: BatchJob) -> dict[str, Any]:
    """One student of a batch, on one line of a table for people."""
    return {
        "studentId": job.student_id,
        "asked": job.mark.status if job.mark is not None else None,
        "outcome": job.outcome,
        "recorded": job.recorded.status if job.recorded is not None else None,
        "reason": detail_of(job.reason) if job.reason is not None else None,
    }


def _conflict_row(conflict: MarkConflict) -> dict[str, Any]:
    return {
        "studentId": conflict.student_id,
        "recorded": conflict.recorded.status if conflict.recorded is not None else None,
        "requested": conflict.requested.status,
    }
