"""Changes by others while a batch is processed: of one record, and of the class's students."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import insert, select, update

from adsum.accounts.access import Role
from adsum.attendance.tables import attendance_changes, attendances
from adsum.batches.rules import RunState
from adsum.batches.tables import batch_runs
from adsum.platform.database.engine import Database
from adsum.platform.ids import Batch
from adsum.roster.tables import enrolments
from tests.support.schools import TERM_BEGINS

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


async def end_all_runs(database: Database) -> None:
    """Ends runs that a failed history has left open, so that they do not affect the next one."""
    c = batch_runs.c
    counts = {"recorded_jobs": 0, "skipped_jobs": 0, "failed_jobs": 0, "cancelled_jobs": c.total_jobs}
    ended = update(batch_runs).where(c.state == RunState.OPEN)
    async with database.transaction() as connection:
        await connection.execute(ended.values(state=RunState.CANCELLED, ended_at=LONG_AGO, **counts))


async def correct(database: Database, batch: Batch, student_id: int, status: str | None, now: datetime) -> None:
    """Writes the next version of a record, if it exists, with its change."""
    c = attendances.c
    which = (c.session_id == batch.session_id, c.learning_date == batch.learning_date, c.student_id == student_id)
    async with database.transaction() as connection:
        found = await connection.execute(select(c.id, c.version, c.status).where(*which).with_for_update())
        row = found.one_or_none()
        if row is None:
            return
        await connection.execute(
            update(attendances).where(c.id == row.id).values(status=status, version=row.version + 1)
        )
        change = {"attendance_id": row.id, "version": row.version + 1, "old_status": row.status, "new_status": status}
        await connection.execute(
            insert(attendance_changes).values(**change, changed_at=now, changed_role=Role.OFFICE.value)
        )


async def set_enrolled(database: Database, class_id: int, student_id: int, *, stays: bool) -> None:
    """Enrols the student in the class for all days, or removes the enrolment."""
    c = enrolments.c
    which = (c.class_id == class_id, c.student_id == student_id)
    async with database.transaction() as connection:
        await connection.execute(update(enrolments).where(*which).values(end_date=None if stays else TERM_BEGINS))
