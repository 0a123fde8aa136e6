"""The attendance jobs of runs: what became of each.

An outcome is what the rows say, never what a delivery did: so a chunk that is delivered twice, late or in parts finds
the same outcomes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Date, String
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.batches.repository.closing import ClosedRun
from adsum.batches.rules import Outcome, RunState
from adsum.platform.database.columns import BigInt, Json, RunId
from adsum.platform.database.sql_files import input_rows, sql_file
from adsum.platform.ids import Batch


@dataclass(frozen=True, slots=True)
class JobSlice:
    """Jobs `start` up to but without `stop` of one chunk of a run's plan."""

    run: str
    chunk: int
    start: int = 0
    stop: int = 2**31 - 1


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """What became of one student's job."""

    run_id: str
    run_state: RunState
    batch: Batch
    student_id: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the jobs of some slices of a run are.

    Attributes:
        run_id: the run.
        run_state: of the run.
        batch: whose run it is.
        ended: students whose job has an outcome.
        recorded: how many of them this run recorded.
        pending: how many jobs of these slices have no outcome.
        planned: how many jobs the run has, in all of its chunks.
        closed: how the run ended, if it was this very statement that ended it.
    """

    run_id: str
    run_state: RunState
    batch: Batch
    ended: Sequence[int]
    recorded: int
    pending: int
    planned: int
    closed: ClosedRun | None = None

    @property
    def is_all_recorded(self) -> bool:
        """Whether every job of the run is recorded, which stays so."""
        return self.recorded == self.planned


SQL = "adsum.batches"
PROGRESS_COLUMNS: dict[str, Any] = {
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


_JOB_OUTCOMES = sql_file(
    SQL,
    "job_outcomes",
    returns={
        "run_id": RunId,
        "state": String,
        "class_id": BigInt,
        "session_id": BigInt,
        "learning_date": Date,
        "student_id": BigInt,
        "outcome": String,
    },
)
_SLICE_OUTCOMES = sql_file(SQL, "slice_outcomes", returns=PROGRESS_COLUMNS)
_PENDING_STUDENTS = sql_file(SQL, "pending_students", returns={"run_id": RunId, "students": Json})


async def outcomes(connection: AsyncConnection, slices: Sequence[JobSlice]) -> list[JobOutcome]:
    """What became of each job of these slices; of runs that ended, too. Runs that are not there have none."""
    return [_job_outcome(*row) for row in await _JOB_OUTCOMES.fetch_all(connection, named(slices))]


async def progress(connection: AsyncConnection, slices: Sequence[JobSlice]) -> list[Progress]:
    """How far each run is with these slices; also runs that ended. Runs that are not there have none."""
    return [progress_of(*row) for row in await _SLICE_OUTCOMES.fetch_all(connection, named(slices))]


async def pending(connection: AsyncConnection, slices: Sequence[JobSlice]) -> dict[str, set[int]]:
    """Of each run that has any, the students whose job has no outcome. One row a run: thousands may have stopped."""
    return {run_id: set(students) for run_id, students in await _PENDING_STUDENTS.fetch_all(connection, named(slices))}


def _job_outcome(
    run_id: str, state: str, class_id: int, session_id: int, day: date, student_id: int, outcome: str
) -> JobOutcome:
    return JobOutcome(run_id, RunState(state), Batch(class_id, session_id, day), student_id, Outcome(outcome))


def progress_of(
    run_id: str, state: str, class_id: int, session_id: int, day: date, ended: Any, *counts: int
) -> Progress:
    """A row of `PROGRESS_COLUMNS`."""
    recorded, pending, planned = map(int, counts)
    return Progress(run_id, RunState(state), Batch(class_id, session_id, day), ended or [], recorded, pending, planned)


def named(slices: Sequence[JobSlice]) -> dict[str, str]:
    """The parameter of such a statement."""
    return input_rows(
        {"run_id": each.run, "chunk": each.chunk, "start": each.start, "stop": each.stop} for each in slices
    )
