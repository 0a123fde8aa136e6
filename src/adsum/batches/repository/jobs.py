"""The attendance jobs of runs: what became of each.

An outcome is what the rows say, never what a delivery did: so a chunk that is delivered twice, late or in parts finds
the same outcomes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from sqlalchemy import BindParameter, Date, String, bindparam
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.batches.repository.closing import ClosedRun
from adsum.batches.repository.outcomes import OUTCOME, rows_of_job
from adsum.batches.rules import Outcome, RunState
from adsum.platform.database.columns import BigInt, Json, RunId
from adsum.platform.database.statements import Statement, of_text
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


# The jobs that :slices name, one row each: `job`. On Postgres the open runs are locked against being closed or
# cancelled until this transaction ends, always in the order of their ids, so that two workers cannot deadlock.
_SQLITE_JOBS = """
WITH slice AS (
    SELECT value ->> 'run' AS run, value ->> 'chunk' AS chunk, value ->> 'start' AS start, value ->> 'stop' AS stop
    FROM json_each(:slices)
),
run AS (SELECT r.* FROM batch_runs r WHERE r.run_id IN (SELECT run FROM slice) {which}),
job AS (
    SELECT run.*, j.value ->> 'student' AS student_id, j.value ->> 'status' AS status, j.value ->> 'note' AS note,
           j.value ->> 'arrived' AS arrived_at, j.value ->> 'left' AS left_at, j.value ->> 'absence' AS absence_id,
           j.value ->> 'version' AS seen
    FROM slice JOIN run ON run.run_id = slice.run
    JOIN json_each(run.plan, '$[' || slice.chunk || ']') j ON j.key >= slice.start AND j.key < slice.stop
)"""
_POSTGRES_JOBS = """
WITH slice AS (
    SELECT * FROM jsonb_to_recordset(CAST(:slices AS jsonb)) AS s(run uuid, chunk int, start int, stop int)
),
run AS MATERIALIZED (
    SELECT r.* FROM batch_runs r WHERE r.run_id IN (SELECT run FROM slice) {which} ORDER BY r.run_id {lock}
),
job AS (
    SELECT run.*, CAST(j.value ->> 'student' AS bigint) AS student_id, j.value ->> 'status' AS status,
           j.value ->> 'note' AS note, j.value ->> 'arrived' AS arrived_at, j.value ->> 'left' AS left_at,
           CAST(j.value ->> 'absence' AS bigint) AS absence_id, CAST(j.value ->> 'version' AS int) AS seen
    FROM slice JOIN run ON run.run_id = slice.run
    CROSS JOIN LATERAL jsonb_array_elements(run.plan -> slice.chunk) WITH ORDINALITY AS j(value, position)
    WHERE j.position > slice.start AND j.position <= slice.stop
)"""

_TOLD_PENDING = f""",
outcome AS ({OUTCOME})
SELECT run_id, {{students}} AS students FROM outcome WHERE outcome = 'pending' GROUP BY run_id"""

# One row a run: an object for each student of a group would be most of what a worker does.
RUN = "run.run_id, run.state, run.class_id, run.session_id, run.learning_date"
PLANNED = """run.total_jobs - run.carried_recorded - run.carried_skipped - run.carried_cancelled
           - {array_length}(run.kept) AS planned"""
_TOLD_PROGRESS = f""",
outcome AS ({OUTCOME}),
counted AS (
    SELECT run_id, {{students}} FILTER (WHERE outcome <> 'pending') AS ended,
           count(*) FILTER (WHERE outcome = 'recorded') AS recorded,
           count(*) FILTER (WHERE outcome = 'pending') AS pending
    FROM outcome GROUP BY run_id
)
SELECT {RUN}, counted.ended, counted.recorded, counted.pending, {PLANNED}
FROM counted JOIN run ON run.run_id = counted.run_id"""

_POSTGRES = {
    "students": "jsonb_agg(student_id)",
    "array_length": "jsonb_array_length",
    "in_order": "JOIN",
    "row_lock": "FOR UPDATE OF a",
}
# In the order in which they are written: else SQLite unfolds the plan once for every record of the class.
_SQLITE = {
    "students": "json_group_array(student_id)",
    "array_length": "json_array_length",
    "in_order": "CROSS JOIN",
    "row_lock": "",
}

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


def of_slices(
    body: str, *values: BindParameter[Any], which: str = "", lock: str = "", told: Mapping[str, Any] | None = None
) -> Statement:
    """A statement that begins with the jobs that `:slices` names: `job`.

    Args:
        body: the rest.
        *values: that it needs besides.
        which: narrows the runs.
        lock: locks them.
        told: see `of_text`.
    """

    def written(dialect: str) -> str:
        jobs, words = (_POSTGRES_JOBS, _POSTGRES) if dialect == "postgresql" else (_SQLITE_JOBS, _SQLITE)
        return (jobs + body).format(which=which, lock=lock, rows_of_job=rows_of_job(dialect), **words)

    return of_text(written, bindparam("slices", type_=String), *values, told=told)


_OUTCOMES = of_slices(
    OUTCOME,
    told={
        "run_id": RunId,
        "state": String,
        "class_id": BigInt,
        "session_id": BigInt,
        "learning_date": Date,
        "student_id": BigInt,
        "outcome": String,
    },
)
_PROGRESS = of_slices(_TOLD_PROGRESS, told=PROGRESS_COLUMNS)
_PENDING = of_slices(_TOLD_PENDING, told={"run_id": RunId, "students": Json})


async def outcomes(connection: AsyncConnection, slices: Sequence[JobSlice]) -> list[JobOutcome]:
    """What became of each job of these slices; of runs that ended, too. Runs that are not there have none."""
    return [_job_outcome(*row) for row in await _OUTCOMES.fetch_all(connection, named(slices))]


async def progress(connection: AsyncConnection, slices: Sequence[JobSlice]) -> list[Progress]:
    """How far each run is with these slices; also runs that ended. Runs that are not there have none."""
    return [progress_of(*row) for row in await _PROGRESS.fetch_all(connection, named(slices))]


async def pending(connection: AsyncConnection, slices: Sequence[JobSlice]) -> dict[str, set[int]]:
    """Of each run that has any, the students whose job has no outcome. One row a run: thousands may have stopped."""
    return {run_id: set(students) for run_id, students in await _PENDING.fetch_all(connection, named(slices))}


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
    return {"slices": json.dumps([asdict(part) for part in slices])}
