"""The data of events about runs, made of their rows when an event is read.

A run that has ended never changes, so an event about it stores its id alone: writing it costs a class almost nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from adsum.batches.repository import jobs, runs
from adsum.batches.repository.jobs import JobSlice
from adsum.batches.rules import Outcome, Tally
from adsum.batches.run import Run
from adsum.platform.database.engine import Connection


class JobResult(NamedTuple):
    """The outcome of a job; of a failed one, the code of its reason."""

    outcome: Outcome
    code: str | None = None


class RunData(NamedTuple):
    """The data of events about a run: in brief, and with the outcome of each student if it has ended; and its trace."""

    brief: Mapping[str, Any]
    ended: Mapping[str, Any]
    trace: str | None


async def data_of_runs(connection: Connection, run_ids: Collection[str]) -> dict[str, RunData]:
    """The data of events about runs, by run."""
    found = await runs.find_runs(connection, run_ids)
    tallies = await runs.find_final_counts(connection, found.keys())
    mixed = [found[run_id] for run_id, tally in tallies.items() if not _is_recorded_whole(found[run_id], tally)]
    results = await _results(connection, mixed) if mixed else {}
    data: dict[str, RunData] = {}
    for run_id, run in found.items():
        tally = tallies.get(run_id)
        brief = _brief_data(run, run.total if tally is None else tally.total)
        ended = brief if tally is None else brief | _end_data(run, tally, results.get(run_id))
        data[run_id] = RunData(brief, ended, run.trace)
    return data


def _brief_data(run: Run, total: int) -> dict[str, Any]:
    return {
        "batchId": run.batch.id,
        "runId": run.run_id,
        "classId": run.batch.class_id,
        "sessionId": run.batch.session_id,
        "learningDate": run.batch.learning_date.isoformat(),
        "totalJobs": total,
    }


def _is_recorded_whole(run: Run, tally: Tally) -> bool:
    """Whether the run recorded every job, which its counts tell without a look at the records.

    Not by the number of jobs, which the erasure of a student changes.
    """
    skipped = tally.skipped - run.carried.skipped - len(run.kept)
    return tally.failed == skipped == tally.cancelled - run.carried.cancelled == 0


async def _results(connection: Connection, mixed: Sequence[Run]) -> dict[str, dict[int, JobResult]]:
    slices = [JobSlice(run.run_id, number) for run in mixed for number in range(len(run.chunks))]
    codes = await jobs.failure_codes(connection, [run.run_id for run in mixed])
    results: defaultdict[str, dict[int, JobResult]] = defaultdict(dict)
    for (run_id, student_id), outcome in (await jobs.job_outcomes(connection, slices)).items():
        code = codes.get((run_id, student_id)) if outcome is Outcome.FAILED else None
        results[run_id][student_id] = JobResult(outcome, code)
    return results


def _end_data(run: Run, tally: Tally, results: Mapping[int, JobResult] | None) -> dict[str, Any]:
    """The counts of a run, and its students. `results` None: every job was recorded."""
    recorded = JobResult(Outcome.RECORDED)
    students = [
        _student(job.student_id, recorded if results is None else results[job.student_id], job.mark.status)
        for job in run.jobs
    ]
    kept = [_student(student_id, JobResult(Outcome.SKIPPED), None) for student_id in run.kept]
    return {
        "recordedJobs": tally.recorded,
        "skippedJobs": tally.skipped,
        "failedJobs": tally.failed,
        "cancelledJobs": tally.cancelled,
        "students": students + kept,
    }


def _student(student_id: int, result: JobResult, requested: str | None) -> dict[str, Any]:
    status = requested if result.outcome is Outcome.RECORDED else None
    return {"studentId": student_id, "outcome": result.outcome, "status": status, "reason": result.code}
