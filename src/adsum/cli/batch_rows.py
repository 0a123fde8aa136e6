"""Results of batches as the command line prints them, under the names of the HTTP API."""

from __future__ import annotations

from typing import Any

from adsum.domain.batches import BatchStatus
from adsum.domain.plan import MarkConflict
from adsum.domain.submission import BatchResult

STATUS_COLUMNS = ("batchId", "state", "progress", "totalJobs", "recordedJobs", "skippedJobs", "failedJobs", "startedAt")


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
    }


def status_row(status: BatchStatus) -> dict[str, Any]:
    """How far a batch has come."""
    tally = status.tally
    return {
        "batchId": status.batch_id,
        "state": status.state.value,
        "progress": tally.progress,
        "isLocked": status.is_locked,
        "lockStatus": status.lock_status,
        "remainingJobs": status.remaining_jobs,
        "isCompleted": status.is_completed,
        "totalJobs": tally.total,
        "recordedJobs": tally.recorded,
        "skippedJobs": tally.skipped,
        "failedJobs": tally.failed,
        "cancelledJobs": tally.cancelled,
        "runId": status.run_id,
        "startedAt": status.started_at,
        "completedAt": status.completed_at,
    }


def _conflict_row(conflict: MarkConflict) -> dict[str, Any]:
    return {
        "studentId": conflict.student_id,
        "recorded": conflict.recorded.status if conflict.recorded is not None else None,
        "requested": conflict.requested.status,
    }
