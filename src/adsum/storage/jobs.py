"""The attendance jobs of runs: writing what they ask for, and reading what became of each.

An outcome is what the rows say, never what a delivery did: so a chunk that is delivered twice, late or in parts finds
the same outcomes. The marks go from the run's plan into the records inside the database.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime

from sqlalchemy import Date, String, TextClause, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.domain.batches import Outcome, RunState
from adsum.domain.ids import Batch
from adsum.storage.columns import BigInt, Instant, Json, RunId
from adsum.storage.outcomes import OUTCOME, RECORD_OF_JOB, rows_of_job


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
    """How far the jobs of some slices of a run are: who has an outcome, and how many have none."""

    run_id: str
    run_state: RunState
    batch: Batch
    ended: Sequence[int]
    pending: int


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
           j.value ->> 'note' AS note, CAST(j.value ->> 'version' AS int) AS seen
    FROM slice JOIN run ON run.run_id = slice.run
    CROSS JOIN LATERAL jsonb_array_elements(run.plan -> slice.chunk) WITH ORDINALITY AS j(value, position)
    WHERE j.position > slice.start AND j.position <= slice.stop
)"""

_ENROLLED = """EXISTS (
    SELECT 1 FROM enrolments e
    WHERE e.class_id = job.class_id AND e.student_id = job.student_id
      AND (e.begin_date IS NULL OR e.begin_date <= job.learning_date)
      AND (e.end_date IS NULL OR e.end_date > job.learning_date))"""

_INSERT = f"""
INSERT INTO attendances (school_id, class_id, session_id, learning_date, student_id, status, note, version,
                         marked_at, marked_role, user_id, key_id, run_id)
SELECT job.school_id, job.class_id, job.session_id, job.learning_date, job.student_id, job.status, job.note, 1,
       job.accepted_at, job.accepted_role, job.user_id, job.key_id, job.run_id
FROM job WHERE job.seen IS NULL AND {_ENROLLED}
ORDER BY job.session_id, job.learning_date, job.student_id
ON CONFLICT (session_id, learning_date, student_id) DO NOTHING"""

# A change is made for exactly the version that accept saw: so a late chunk cannot undo a correction. A mark without a
# note leaves the note as it is; that of a cleared mark does not come back.
_INSERT_CHANGES = f""",
due AS (
    SELECT a.id, a.version, a.status AS old_status, a.note AS old_note, job.status,
           coalesce(job.note, CASE WHEN a.status IS NOT NULL THEN a.note END) AS note,
           job.accepted_at, job.accepted_role, job.user_id, job.key_id, job.run_id
    FROM job {{in_order}} attendances a ON {RECORD_OF_JOB}
    WHERE job.seen IS NOT NULL AND a.version = job.seen AND {_ENROLLED}
    ORDER BY a.id {{row_lock}}
)
INSERT INTO attendance_changes (attendance_id, version, old_status, new_status, old_note, new_note,
                                changed_at, changed_role, user_id, key_id, run_id)
SELECT id, version + 1, old_status, status, old_note, note, accepted_at, accepted_role, user_id, key_id, run_id FROM due
WHERE true
ON CONFLICT (attendance_id, version) DO NOTHING"""

_APPLY_CHANGES = f""",
made AS MATERIALIZED (
    SELECT c.* FROM job {{in_order}} attendances a ON {RECORD_OF_JOB}
    {{in_order}} attendance_changes c ON c.attendance_id = a.id AND c.version = job.seen + 1 AND c.run_id = job.run_id
    WHERE job.seen IS NOT NULL
)
UPDATE attendances
SET status = made.new_status, note = made.new_note, version = made.version, marked_at = made.changed_at,
    marked_role = made.changed_role, user_id = made.user_id, key_id = made.key_id
FROM made WHERE attendances.id = made.attendance_id AND attendances.version = made.version - 1"""

_FAIL = f""",
outcome AS ({OUTCOME})
INSERT INTO job_failures (run_id, student_id, code, failed_at)
SELECT run_id, student_id, :code, :now FROM outcome WHERE outcome = 'pending'
ORDER BY run_id, student_id
ON CONFLICT (run_id, student_id) DO NOTHING"""

_PENDING = f""",
outcome AS ({OUTCOME})
SELECT run_id, {{students}} AS students FROM outcome WHERE outcome = 'pending' GROUP BY run_id"""

# One row a run: an object for each student of a group would be most of what a worker does.
_PROGRESS = f""",
outcome AS ({OUTCOME})
SELECT run_id, state, class_id, session_id, learning_date,
       {{students}} FILTER (WHERE outcome <> 'pending') AS ended, count(*) FILTER (WHERE outcome = 'pending') AS pending
FROM outcome GROUP BY run_id, state, class_id, session_id, learning_date"""

_POSTGRES = {"students": "jsonb_agg(student_id)", "in_order": "JOIN", "row_lock": "FOR UPDATE OF a"}
# In the order in which they are written: else SQLite unfolds the plan once for every record of the class.
_SQLITE = {"students": "json_group_array(student_id)", "in_order": "CROSS JOIN", "row_lock": ""}
_OPEN = "AND r.state = 'open'"


async def insert_records(connection: AsyncConnection, slices: Sequence[JobSlice]) -> None:
    """Inserts the records of open runs, of students who are still enrolled; whoever has a record keeps it."""
    await connection.execute(_statement(connection, _INSERT, which=_OPEN, lock="FOR SHARE"), _named(slices))


async def update_records(connection: AsyncConnection, slices: Sequence[JobSlice]) -> None:
    """Changes the records of open runs' jobs that update, where they are as accept saw them, and keeps what was."""
    await connection.execute(_statement(connection, _INSERT_CHANGES, which=_OPEN, lock="FOR SHARE"), _named(slices))
    await connection.execute(_statement(connection, _APPLY_CHANGES, which=_OPEN), _named(slices))


async def fail_pending(connection: AsyncConnection, slices: Sequence[JobSlice], code: str, now: datetime) -> None:
    """Ends as failed what has no outcome yet. `code` is stable, and the same to everyone who sees it."""
    statement = _statement(connection, _FAIL, which=_OPEN, lock="FOR SHARE").bindparams(
        bindparam("code", type_=String), bindparam("now", type_=Instant())
    )
    await connection.execute(statement, {**_named(slices), "code": code, "now": now})


async def outcomes(connection: AsyncConnection, slices: Sequence[JobSlice]) -> list[JobOutcome]:
    """What became of each job of these slices; of runs that ended, too. Runs that are not there have none."""
    statement = _statement(connection, OUTCOME).columns(
        run_id=RunId,
        state=String,
        class_id=BigInt,
        session_id=BigInt,
        learning_date=Date,
        student_id=BigInt,
        outcome=String,
    )
    rows = await connection.execute(statement, _named(slices))
    return [_job_outcome(*row) for row in rows]


async def progress(connection: AsyncConnection, slices: Sequence[JobSlice]) -> list[Progress]:
    """How far each run is with these slices; also runs that ended. Runs that are not there have none."""
    statement = _statement(connection, _PROGRESS).columns(
        run_id=RunId, state=String, class_id=BigInt, session_id=BigInt, learning_date=Date, ended=Json, pending=BigInt
    )
    rows = await connection.execute(statement, _named(slices))
    return [
        Progress(run_id, RunState(state), Batch(*batch), ended or [], pending)
        for run_id, state, *batch, ended, pending in rows
    ]


async def pending(connection: AsyncConnection, slices: Sequence[JobSlice]) -> dict[str, set[int]]:
    """Of each run that has any, the students whose job has no outcome. One row a run: thousands may have stopped."""
    statement = _statement(connection, _PENDING).columns(run_id=RunId, students=Json)
    rows = await connection.execute(statement, _named(slices))
    return {run_id: set(students) for run_id, students in rows}


def _job_outcome(
    run_id: str, state: str, class_id: int, session_id: int, day: date, student_id: int, outcome: str
) -> JobOutcome:
    return JobOutcome(run_id, RunState(state), Batch(class_id, session_id, day), student_id, Outcome(outcome))


def _statement(connection: AsyncConnection, body: str, *, which: str = "", lock: str = "") -> TextClause:
    jobs, words = (_POSTGRES_JOBS, _POSTGRES) if connection.dialect.name == "postgresql" else (_SQLITE_JOBS, _SQLITE)
    statement = (jobs + body).format(which=which, lock=lock, rows_of_job=rows_of_job(connection), **words)
    return text(statement).bindparams(bindparam("slices", type_=String))


def _named(slices: Sequence[JobSlice]) -> dict[str, str]:
    return {"slices": json.dumps([asdict(part) for part in slices])}
