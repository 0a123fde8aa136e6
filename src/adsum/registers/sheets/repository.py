"""What a register sheet shows of a batch: the marks that stand, what was said beside them, and who failed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.attendance.repository import is_set_by_office
from adsum.attendance.tables import attendances, contradictions
from adsum.batches.tables import job_failures
from adsum.platform.ids import Batch
from adsum.registers.sheets.rules import Standing


async def standing_of_batch(connection: AsyncConnection, batch: Batch) -> dict[int, Standing]:
    """Every mark of the session on that day, by student. A mark that was cleared stands no more."""
    a, c = attendances.c, contradictions.c
    beside = and_(
        *(c.session_id == a.session_id, c.learning_date == a.learning_date, c.student_id == a.student_id),
        c.resolved_at.is_(None),
    )
    statement = (
        select(
            a.student_id,
            *(a.id, a.version, a.status, a.note),
            or_(is_set_by_office(), a.absence_id.is_not(None)),
            c.status,
        )
        .outerjoin(contradictions, beside)
        .where(a.session_id == batch.session_id, a.learning_date == batch.learning_date, a.status.is_not(None))
    )
    rows = (tuple[Any, ...](row) for row in await connection.execute(statement))
    return {student_id: Standing(*rest) for student_id, *rest in rows}


async def failures_of_run(connection: AsyncConnection, run_id: str) -> dict[int, str]:
    """By student, the code of the reason why a run could not record them."""
    c = job_failures.c
    statement = select(c.student_id, c.code).where(c.run_id == run_id)
    return {row.student_id: row.code for row in await connection.execute(statement)}
