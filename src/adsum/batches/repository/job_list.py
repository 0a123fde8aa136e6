"""What became of each student of a batch, page by page: unfolded from the plans inside the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Row, String, TextualSelect, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.attendance.rules import Mark
from adsum.batches.job_outcomes import BatchJob, CurrentRecord, reason_of
from adsum.batches.repository.outcomes import OUTCOME_OF_JOB, rows_of_job
from adsum.batches.rules import OnExisting, Outcome
from adsum.platform.database.columns import BigInt, RunId
from adsum.platform.ids import Batch

# The run asked for, and, where it is a retry that carried on what the run before it came to, that one, and so on.
_CHAIN = """
WITH RECURSIVE chain AS (
    SELECT run_id, session_id, learning_date, number, carried_recorded + carried_skipped + carried_cancelled AS carried
    FROM batch_runs WHERE run_id = :run_id
    UNION ALL
    SELECT r.run_id, r.session_id, r.learning_date, r.number,
           r.carried_recorded + r.carried_skipped + r.carried_cancelled
    FROM chain JOIN batch_runs r
        ON r.session_id = chain.session_id AND r.learning_date = chain.learning_date AND r.number = chain.number - 1
    WHERE chain.carried > 0 {alone}
),"""
_RUN = "r.run_id, r.state, r.class_id, r.session_id, r.learning_date, r.number, r.on_existing"
_SQLITE_ASKED = f"""
asked AS (
    SELECT {_RUN}, j.value ->> 'student' AS student_id, j.value ->> 'status' AS asked_status,
           j.value ->> 'note' AS asked_note, j.value ->> 'version' AS seen, false AS is_kept
    FROM chain JOIN batch_runs r ON r.run_id = chain.run_id JOIN json_each(r.plan) chunk JOIN json_each(chunk.value) j
    UNION ALL
    SELECT {_RUN}, k.value, NULL, NULL, NULL, true
    FROM chain JOIN batch_runs r ON r.run_id = chain.run_id JOIN json_each(r.kept) k
),"""
_POSTGRES_ASKED = f"""
asked AS (
    SELECT {_RUN}, CAST(j.value ->> 'student' AS bigint) AS student_id, j.value ->> 'status' AS asked_status,
           j.value ->> 'note' AS asked_note, CAST(j.value ->> 'version' AS int) AS seen, false AS is_kept
    FROM chain JOIN batch_runs r ON r.run_id = chain.run_id
    CROSS JOIN LATERAL jsonb_array_elements(r.plan) AS chunk(value)
    CROSS JOIN LATERAL jsonb_array_elements(chunk.value) AS j(value)
    UNION ALL
    SELECT {_RUN}, CAST(k.value AS bigint), NULL, NULL, NULL, true
    FROM chain JOIN batch_runs r ON r.run_id = chain.run_id
    CROSS JOIN LATERAL jsonb_array_elements_text(r.kept) AS k(value)
),"""
# Each student once: as the newest of these runs has them.
_JOBS = f"""
placed AS (
    SELECT asked.*, row_number() OVER (PARTITION BY student_id ORDER BY number DESC) AS place
    FROM asked WHERE student_id > :after
),
job AS (SELECT * FROM placed WHERE place = 1 {{page}}),
found AS (
    SELECT job.student_id, job.run_id, job.asked_status, job.asked_note, job.seen, job.is_kept, job.on_existing,
           CASE WHEN job.is_kept THEN 'skipped' ELSE {OUTCOME_OF_JOB} END AS outcome, f.code AS failure,
           a.id AS record_id, a.status AS record_status, a.note AS record_note, a.version AS record_version
    FROM job {{rows_of_job}}
)
SELECT * FROM found {{which}} ORDER BY student_id LIMIT :limit"""
_PAGE = "ORDER BY student_id LIMIT :limit"


async def list_jobs(
    connection: AsyncConnection,
    batch: Batch,
    run_id: str,
    *,
    alone: bool,
    outcome: Outcome | None,
    after: int,
    limit: int,
) -> list[BatchJob]:
    """At most `limit` students of a run, by id, from beyond the id `after`.

    A retry has only those who had failed. The others of its batch are told as the runs before it have them, so that
    the outcomes of all are as many as the run's totals; with `alone` they are left out.
    """
    statement = _statement(connection, alone=alone, outcome=outcome)
    values = {"run_id": run_id, "after": after, "limit": limit}
    rows = await connection.execute(statement, values if outcome is None else {**values, "outcome": outcome})
    return [_job(batch, row) for row in rows]


def _statement(connection: AsyncConnection, *, alone: bool, outcome: Outcome | None) -> TextualSelect:
    asked = _POSTGRES_ASKED if connection.dialect.name == "postgresql" else _SQLITE_ASKED
    chain = _CHAIN.format(alone="AND false" if alone else "")
    # Where every student is wanted, the records of one page are looked up, not those of the whole batch.
    narrowed = ("", "WHERE outcome = :outcome") if outcome is not None else (_PAGE, "")
    jobs = _JOBS.format(page=narrowed[0], which=narrowed[1], rows_of_job=rows_of_job(connection.dialect.name))
    parameters = [bindparam("run_id", type_=RunId), bindparam("after", type_=BigInt), bindparam("limit", type_=BigInt)]
    if outcome is not None:
        parameters.append(bindparam("outcome", type_=String))
    return text(chain + asked + jobs).bindparams(*parameters).columns(run_id=RunId)


def _job(batch: Batch, row: Row[Any]) -> BatchJob:
    outcome = Outcome(row.outcome)
    reason = reason_of(
        outcome,
        failure=row.failure,
        is_kept=bool(row.is_kept),
        is_update=row.seen is not None,
        on_existing=OnExisting(row.on_existing),
    )
    mark = Mark(row.asked_status, row.asked_note) if row.asked_status is not None else None
    record = None
    if row.record_id is not None:
        record = CurrentRecord(row.record_id, row.record_status, row.record_note, row.record_version)
    return BatchJob(batch, row.student_id, row.run_id, mark, outcome, reason, record)
