"""Statements about the jobs of runs: record them, fail them, and read their outcomes.

An outcome is computed from the rows, never from what a delivery did. So a chunk that is delivered twice, late or in
parts finds the same outcomes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Date, String, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.batches.repository.runs import insert_end_events
from adsum.batches.repository.tallies import FINAL_COUNTS
from adsum.batches.rules import Outcome, RunState, Tally
from adsum.batches.tables import job_failures
from adsum.platform.database.columns import BigInt, Instant, Json, RunId
from adsum.platform.database.sql_files import input_rows, sql_file
from adsum.platform.ids import Batch


@dataclass(frozen=True, slots=True)
class JobSlice:
    """Jobs `start` (inclusive) to `stop` (exclusive) of one chunk of a run's plan."""

    run_id: str
    chunk: int
    start: int = 0
    stop: int = 2**31 - 1


@dataclass(frozen=True, slots=True)
class SliceOutcome:
    """The outcomes of slices of one run.

    Attributes:
        run_id: the run.
        run_state: its state before the statement.
        batch: its batch.
        ended: students whose job has an outcome.
        recorded: number of jobs that this run recorded.
        pending: number of jobs of these slices without an outcome.
        planned: number of jobs in all chunks of the run.
        closed: the final counts of the run, if this statement closed it.
        closed_at: when it did.
    """

    run_id: str
    run_state: RunState
    batch: Batch
    ended: Sequence[int]
    recorded: int
    pending: int
    planned: int
    closed: Tally | None = None
    closed_at: datetime | None = None

    @property
    def is_all_recorded(self) -> bool:
        """Whether every job of the run is recorded, which is final."""
        return self.recorded == self.planned


_SLICE_OUTCOME: dict[str, Any] = {
    "run_id": RunId,
    "state": String,
    "class_id": BigInt,
    "session_id": BigInt,
    "learning_date": Date,
    "ended": Json,
    "recorded": BigInt,
    "pending": BigInt,
    "planned": BigInt,
}

_RECORD_JOBS = sql_file(
    "adsum.batches", "record_jobs", parameters={"now": Instant()}, returns={**_SLICE_OUTCOME, **FINAL_COUNTS}
)
_CLOSE_RECORDED_RUNS = sql_file(
    "adsum.batches", "close_recorded_runs", parameters={"now": Instant()}, returns={"run_id": RunId, **FINAL_COUNTS}
)
_INSERT_RECORDS = sql_file("adsum.batches", "insert_records")
_INSERT_CHANGES = sql_file("adsum.batches", "insert_changes")
_APPLY_CHANGES = sql_file("adsum.batches", "apply_changes")
_FAIL_PENDING_JOBS = sql_file("adsum.batches", "fail_pending_jobs", parameters={"now": Instant()})
_JOB_OUTCOMES = sql_file(
    "adsum.batches", "job_outcomes", returns={"run_id": RunId, "student_id": BigInt, "outcome": String}
)
_SLICE_OUTCOMES = sql_file("adsum.batches", "slice_outcomes", returns=_SLICE_OUTCOME)
_PENDING_STUDENTS = sql_file("adsum.batches", "pending_students", returns={"run_id": RunId, "students": Json})


async def record_jobs(
    connection: AsyncConnection, slices: Sequence[JobSlice], now: datetime, by: str | None = None
) -> list[SliceOutcome]:
    """Inserts records as `insert_records` does, and closes each run whose jobs are all recorded by then.

    `by`: the process that records them.

    Returns:
        The outcomes of runs of which a record was inserted. Jobs that had an outcome before may count as pending there:
        `slice_outcomes` counts them correctly. SQLite cannot insert and return in one statement, so there the result
        is that of `slice_outcomes`.
    """
    if connection.dialect.name == "sqlite":
        await insert_records(connection, slices)
        outcomes = await slice_outcomes(connection, slices)
        recorded = [each.run_id for each in outcomes if each.is_all_recorded]
        closed = await _close_recorded_runs(connection, recorded, now, by) if recorded else {}
        await insert_end_events(connection, closed)
        return [_closed(each, closed.get(each.run_id), now) for each in outcomes]
    rows = await _RECORD_JOBS.fetch_all(connection, {**_input(slices), "now": now, "ended_by": by})
    width = len(_SLICE_OUTCOME)
    return [_closed(_slice_outcome(*row[:width]), _tally(row[width:]), now) for row in rows]


def _closed(outcome: SliceOutcome, tally: Tally | None, now: datetime) -> SliceOutcome:
    return outcome if tally is None else replace(outcome, closed=tally, closed_at=now)


def _tally(counts: Sequence[Any]) -> Tally | None:
    return None if None in counts else Tally(*counts)


async def _close_recorded_runs(
    connection: AsyncConnection, run_ids: Sequence[str], now: datetime, by: str | None
) -> dict[str, Tally]:
    ending = {"run_ids": json.dumps(run_ids), "now": now, "ended_by": by}
    rows = await _CLOSE_RECORDED_RUNS.fetch_all(connection, ending)
    return {run_id: Tally(*counts) for run_id, *counts in rows}


async def insert_records(connection: AsyncConnection, slices: Sequence[JobSlice]) -> None:
    """Inserts the records of jobs of open runs, for students who are still enrolled; existing records stay."""
    await _INSERT_RECORDS.fetch_all(connection, _input(slices))


async def update_records(connection: AsyncConnection, slices: Sequence[JobSlice]) -> None:
    """Updates the records of jobs of open runs where they have the expected version; changes keep the old values."""
    await _INSERT_CHANGES.fetch_all(connection, _input(slices))
    await _APPLY_CHANGES.fetch_all(connection, _input(slices))


async def fail_pending_jobs(connection: AsyncConnection, slices: Sequence[JobSlice], code: str, now: datetime) -> None:
    """Records a failure for each job of open runs without an outcome. `code` is stored."""
    await _FAIL_PENDING_JOBS.fetch_all(connection, {**_input(slices), "code": code, "now": now})


async def slice_outcomes(connection: AsyncConnection, slices: Sequence[JobSlice]) -> list[SliceOutcome]:
    """The outcomes of slices, one per run, whatever its state. Runs that do not exist have none."""
    return [_slice_outcome(*row) for row in await _SLICE_OUTCOMES.fetch_all(connection, _input(slices))]


async def job_outcomes(connection: AsyncConnection, slices: Sequence[JobSlice]) -> dict[tuple[str, int], Outcome]:
    """The outcome of each job of slices, by run and student, whatever the state of the run."""
    rows = await _JOB_OUTCOMES.fetch_all(connection, _input(slices))
    return {(run_id, student_id): Outcome(outcome) for run_id, student_id, outcome in rows}


async def failure_codes(connection: AsyncConnection, run_ids: Sequence[str]) -> dict[tuple[str, int], str]:
    """The codes of stored failures, by run and student. A job with one may have been recorded by a later attempt."""
    c = job_failures.c
    rows = await connection.execute(select(c.run_id, c.student_id, c.code).where(c.run_id.in_(run_ids)))
    return {(run_id, student_id): code for run_id, student_id, code in rows}


async def pending_students(connection: AsyncConnection, slices: Sequence[JobSlice]) -> dict[str, set[int]]:
    """By run, the students whose job has no outcome; runs without such jobs are left out."""
    rows = await _PENDING_STUDENTS.fetch_all(connection, _input(slices))
    return {run_id: set(students) for run_id, students in rows}


def _slice_outcome(
    run_id: str, state: str, class_id: int, session_id: int, day: date, ended: Any, *counts: int
) -> SliceOutcome:
    recorded, pending, planned = map(int, counts)
    batch = Batch(class_id, session_id, day)
    return SliceOutcome(run_id, RunState(state), batch, ended or [], recorded, pending, planned)


def _input(slices: Sequence[JobSlice]) -> dict[str, str]:
    return input_rows(
        {"run_id": each.run_id, "chunk": each.chunk, "start": each.start, "stop": each.stop} for each in slices
    )
