"""An undo beside a correction of the same record: it waits for the correction, and keeps its mark."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from sqlalchemy import select

from adsum.accounts.access import system_caller
from adsum.attendance.repository import apply_changes, select_records
from adsum.attendance.rules import Record, RecordChange
from adsum.attendance.tables import attendances
from adsum.batches.repository import jobs, runs
from adsum.batches.undo import Undo
from adsum.platform.database.engine import Database
from tests.support.runs import LATER, inserts, make_run, slices
from tests.support.schools import SchoolIds
from tests.support.waiting import has_transaction_waiting_for_a_lock, until


async def test_a_record_that_is_corrected_while_an_undo_waits_for_it_keeps_the_correction(
    postgres_database: Database, postgres_school: SchoolIds
) -> None:
    async with postgres_database.transaction() as connection:
        run = await make_run(connection, postgres_school, inserts(postgres_school.student_ids))
        await jobs.insert_records(connection, slices(run))
        await runs.close_runs(connection, [run.run_id], LATER)
    async with postgres_database.transaction() as connection:
        first = select_records().order_by(attendances.c.id).limit(1)
        record = Record(*(await connection.execute(first)).one())
        correction = RecordChange(2, "present", None, "late", None, LATER, "teacher", None, None, None, None)
        await apply_changes(connection, {record.id: correction})
        undoing = asyncio.create_task(
            Undo(postgres_database, lambda: datetime.now(UTC)).undo(run.batch.id, system_caller())
        )
        await until(lambda: has_transaction_waiting_for_a_lock(postgres_database))
    result = await undoing
    assert (result.undone, list(result.kept)) == (3, [record.student_id])
    async with postgres_database.snapshot() as connection:
        statuses = list(await connection.scalars(select(attendances.c.status).order_by(attendances.c.id)))
    assert statuses == ["late", None, None, None]
