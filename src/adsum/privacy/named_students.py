"""Where a student is named outside of rows of their own: in the plans of runs, and in kept answers."""

from __future__ import annotations

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.platform.database.columns import BigInt

_STUDENT = "CAST(:student_id AS bigint)"
_IN_PLAN = {
    "sqlite": """(
        EXISTS (SELECT 1 FROM json_each(batch_runs.plan) chunk JOIN json_each(chunk.value) job
                WHERE job.value ->> 'student' = :student_id)
        OR EXISTS (SELECT 1 FROM json_each(batch_runs.kept) k WHERE k.value = :student_id))""",
    "postgresql": f"""(
        batch_runs.plan @> jsonb_build_array(jsonb_build_array(jsonb_build_object('student', {_STUDENT})))
        OR batch_runs.kept @> to_jsonb({_STUDENT}))""",
}
_IN_ANSWER = {
    "sqlite": """EXISTS (SELECT 1 FROM json_each(idempotency_keys.answer, '$.conflicts') c
                         WHERE c.value ->> 'student_id' = :student_id)""",
    "postgresql": f"""idempotency_keys.answer @> jsonb_build_object(
        'conflicts', jsonb_build_array(jsonb_build_object('student_id', {_STUDENT})))""",
}


def in_plan(connection: AsyncConnection, student_id: int) -> TextClause:
    """The condition that a run has the student: as a job, or as one who kept their record."""
    return _condition(_IN_PLAN[connection.dialect.name], student_id)


def in_answer(connection: AsyncConnection, student_id: int) -> TextClause:
    """The condition that an answer under an idempotency key tells of the student."""
    return _condition(_IN_ANSWER[connection.dialect.name], student_id)


def _condition(sql: str, student_id: int) -> TextClause:
    return text(sql).bindparams(bindparam("student_id", student_id, type_=BigInt))
