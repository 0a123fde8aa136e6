"""Statements that read a register sheet: recorded marks, and failures of the newest run."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Date, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.attendance.rules import Mark
from adsum.batches.tables import job_failures
from adsum.platform.database.sql_files import sql_file
from adsum.platform.ids import Batch
from adsum.registers.sheets.rules import SheetRecord

_RECORDED_MARKS = sql_file("adsum.registers", "recorded_marks", parameters={"learning_date": Date()})


async def records_of_batch(connection: AsyncConnection, batch: Batch) -> dict[int, SheetRecord]:
    """The marks of the session on that day, by student. Cleared marks are left out."""
    values = {"session_id": batch.session_id, "learning_date": batch.learning_date}
    rows = await _RECORDED_MARKS.fetch_all(connection, values)
    return {student_id: _record(*record) for student_id, *record in rows}


def _record(record_id: int, version: int, status: str, note: str | None, *more: Any) -> SheetRecord:
    arrived_at, left_at, is_offices, disputed_status = more
    mark = Mark(status, note, arrived_at, left_at)
    return SheetRecord(record_id, version, mark, bool(is_offices), disputed_status)


async def failures_of_run(connection: AsyncConnection, run_id: str) -> dict[int, str]:
    """The codes of a run's failures, by student."""
    c = job_failures.c
    statement = select(c.student_id, c.code).where(c.run_id == run_id)
    return {row.student_id: row.code for row in await connection.execute(statement)}
