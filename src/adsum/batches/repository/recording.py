"""Recording: what the jobs of runs ask for goes from their plans into the records, inside the database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import String, bindparam
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.batches.repository.closing import COUNTS, ENDING, ClosedRun, closing_recorded
from adsum.batches.repository.jobs import (
    PLANNED,
    PROGRESS_COLUMNS,
    RUN,
    JobSlice,
    Progress,
    named,
    of_slices,
    progress,
    progress_of,
)
from adsum.batches.repository.outcomes import OUTCOME, RECORD_OF_JOB
from adsum.batches.rules import Tally
from adsum.platform.database.columns import Instant, RunId
from adsum.platform.database.statements import of_text

_ENROLLED = """EXISTS (
    SELECT 1 FROM enrolments e
    WHERE e.class_id = job.class_id AND e.student_id = job.student_id
      AND (e.begin_date IS NULL OR e.begin_date <= job.learning_date)
      AND (e.end_date IS NULL OR e.end_date > job.learning_date))"""

_INSERT = f"""
INSERT INTO attendances (school_id, class_id, session_id, learning_date, student_id, status, note, arrived_at, left_at,
                         absence_id, version, marked_at, marked_role, user_id, key_id, run_id)
SELECT job.school_id, job.class_id, job.session_id, job.learning_date, job.student_id, job.status, job.note,
       job.arrived_at, job.left_at, job.absence_id, 1, job.accepted_at, job.accepted_role, job.user_id, job.key_id,
       job.run_id
FROM job WHERE job.seen IS NULL AND {_ENROLLED}
ORDER BY job.session_id, job.learning_date, job.student_id
ON CONFLICT (session_id, learning_date, student_id) DO NOTHING"""

# What a statement inserts, the rows say from then on: so it is told without looking at them again, and a run that is
# recorded whole by it is closed.
_RECORD = f""",
written AS ({_INSERT} RETURNING run_id, student_id),
counted AS (SELECT run_id, {{students}} AS ended, count(*) AS recorded FROM written GROUP BY run_id),
sliced AS (
    SELECT slice.run AS run_id, sum(least(stop, jsonb_array_length(run.plan -> chunk)) - start) AS jobs
    FROM slice JOIN run ON run.run_id = slice.run GROUP BY slice.run
),
told AS (
    SELECT {RUN}, counted.ended, counted.recorded, sliced.jobs - counted.recorded AS pending, {PLANNED}
    FROM counted JOIN run ON run.run_id = counted.run_id JOIN sliced ON sliced.run_id = counted.run_id
),
closed AS ({closing_recorded("FROM told WHERE batch_runs.run_id = told.run_id AND recorded = planned")})
SELECT told.*, closed.recorded_jobs, closed.skipped_jobs, closed.failed_jobs, closed.cancelled_jobs
FROM told LEFT JOIN closed ON closed.run_id = told.run_id"""
_CLOSE_RECORDED = closing_recorded("WHERE run_id IN (SELECT value FROM json_each(:run_ids))").format(
    array_length="json_array_length"
)
# Of SQLite alone: Postgres does it in one with the insert.
_CLOSING_RECORDED = of_text(
    lambda _: _CLOSE_RECORDED, bindparam("run_ids", type_=String), *ENDING, told={"run_id": RunId, **COUNTS}
)

# A change is made for exactly the version that accept saw: so a late chunk cannot undo a correction. A mark without a
# note leaves the note as it is; that of a cleared mark does not come back. When somebody came and left is told of the
# status that stands, and goes with it.
_INSERT_CHANGES = f""",
due AS (
    SELECT a.id, a.version, a.status AS old_status, a.note AS old_note, a.arrived_at AS old_arrived_at,
           a.left_at AS old_left_at, job.status,
           coalesce(job.note, CASE WHEN a.status IS NOT NULL THEN a.note END) AS note,
           coalesce(job.arrived_at, CASE WHEN a.status = job.status THEN a.arrived_at END) AS arrived_at,
           coalesce(job.left_at, CASE WHEN a.status = job.status THEN a.left_at END) AS left_at,
           job.absence_id, job.accepted_at, job.accepted_role, job.user_id, job.key_id, job.run_id
    FROM job {{in_order}} attendances a ON {RECORD_OF_JOB}
    WHERE job.seen IS NOT NULL AND a.version = job.seen AND {_ENROLLED}
    ORDER BY a.id {{row_lock}}
)
INSERT INTO attendance_changes (attendance_id, version, old_status, new_status, old_note, new_note, old_arrived_at,
                                new_arrived_at, old_left_at, new_left_at, absence_id, changed_at, changed_role,
                                user_id, key_id, run_id)
SELECT id, version + 1, old_status, status, old_note, note, old_arrived_at, arrived_at, old_left_at, left_at,
       absence_id, accepted_at, accepted_role, user_id, key_id, run_id
FROM due WHERE true
ON CONFLICT (attendance_id, version) DO NOTHING"""

_APPLY_CHANGES = f""",
made AS MATERIALIZED (
    SELECT c.* FROM job {{in_order}} attendances a ON {RECORD_OF_JOB}
    {{in_order}} attendance_changes c ON c.attendance_id = a.id AND c.version = job.seen + 1 AND c.run_id = job.run_id
    WHERE job.seen IS NOT NULL
)
UPDATE attendances
SET status = made.new_status, note = made.new_note, arrived_at = made.new_arrived_at, left_at = made.new_left_at,
    absence_id = made.absence_id, version = made.version, marked_at = made.changed_at,
    marked_role = made.changed_role, user_id = made.user_id, key_id = made.key_id
FROM made WHERE attendances.id = made.attendance_id AND attendances.version = made.version - 1"""

_FAIL = f""",
outcome AS ({OUTCOME})
INSERT INTO job_failures (run_id, student_id, code, failed_at)
SELECT run_id, student_id, :code, :now FROM outcome WHERE outcome = 'pending'
ORDER BY run_id, student_id
ON CONFLICT (run_id, student_id) DO NOTHING"""

_OPEN = "AND r.state = 'open'"
# NO KEY UPDATE, since some of these runs are closed: two workers with the same run in hand take turns, where with a
# lock that they share each would wait for the other.
_RECORDING = of_slices(
    _RECORD,
    *ENDING,
    which=_OPEN,
    lock="FOR NO KEY UPDATE",
    told={**PROGRESS_COLUMNS, **COUNTS},
)
_INSERTING = of_slices(_INSERT, which=_OPEN, lock="FOR SHARE")
_KEEPING_CHANGES = of_slices(_INSERT_CHANGES, which=_OPEN, lock="FOR SHARE")
_CHANGING = of_slices(_APPLY_CHANGES, which=_OPEN)
_FAILING = of_slices(
    _FAIL, bindparam("code", type_=String), bindparam("now", type_=Instant()), which=_OPEN, lock="FOR SHARE"
)


async def record(
    connection: AsyncConnection, slices: Sequence[JobSlice], now: datetime, by: str | None = None
) -> list[Progress]:
    """Inserts records as `insert_records` does, and closes each run of which these are all, to be released.

    `by`: the process that does.

    Returns:
        How far those runs are of which something was inserted. What had an outcome before may be among the pending:
        `progress` knows. SQLite cannot insert and tell in one, so there these are all runs, and nothing is unknown.
    """
    if connection.dialect.name == "sqlite":
        await insert_records(connection, slices)
        found = await progress(connection, slices)
        closed = await _close_recorded(connection, [each.run_id for each in found if each.is_all_recorded], now, by)
        return [replace(each, closed=closed.get(each.run_id)) for each in found]
    rows = await _RECORDING.fetch_all(connection, {**named(slices), "now": now, "by": by})
    return [_told(row[: len(PROGRESS_COLUMNS)], row[len(PROGRESS_COLUMNS) :], now) for row in rows]


def _told(progress: Sequence[Any], counts: Sequence[Any], now: datetime) -> Progress:
    found, is_closed = progress_of(*progress), None not in counts
    return replace(found, closed=ClosedRun(found.run_id, Tally(*counts), now, now)) if is_closed else found


async def _close_recorded(
    connection: AsyncConnection, run_ids: Sequence[str], now: datetime, by: str | None
) -> dict[str, ClosedRun]:
    if not run_ids:
        return {}
    rows = await _CLOSING_RECORDED.fetch_all(connection, {"run_ids": json.dumps(run_ids), "now": now, "by": by})
    return {run_id: ClosedRun(run_id, Tally(*counts), now, now) for run_id, *counts in rows}


async def insert_records(connection: AsyncConnection, slices: Sequence[JobSlice]) -> None:
    """Inserts the records of open runs, of students who are still enrolled; whoever has a record keeps it."""
    await _INSERTING.fetch_all(connection, named(slices))


async def update_records(connection: AsyncConnection, slices: Sequence[JobSlice]) -> None:
    """Changes the records of open runs' jobs that update, where they are as accept saw them, and keeps what was."""
    await _KEEPING_CHANGES.fetch_all(connection, named(slices))
    await _CHANGING.fetch_all(connection, named(slices))


async def fail_pending(connection: AsyncConnection, slices: Sequence[JobSlice], code: str, now: datetime) -> None:
    """Ends as failed what has no outcome yet. `code` is stable, and the same to everyone who sees it."""
    await _FAILING.fetch_all(connection, {**named(slices), "code": code, "now": now})
