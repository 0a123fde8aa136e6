"""Sets the records that a run has written back to their state before it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Date, String, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.attendance.repository import insert_change_events
from adsum.attendance.rules import RecordedMark
from adsum.attendance.tables import attendance_changes, attendances
from adsum.batches.rules import UndoneRun
from adsum.batches.tables import batch_runs
from adsum.platform.database.columns import BigInt, Instant, RunId
from adsum.platform.database.sql_files import sql_file
from adsum.platform.ids import Batch
from adsum.schools.stale_days import mark_stale_batch

_OF_RUN = {"run_id": RunId, "session_id": BigInt, "learning_date": Date()}
_CHANGED_SINCE_RUN = sql_file("adsum.batches", "changed_since_run", parameters={**_OF_RUN, "overrules": Boolean()})
_INSERT_UNDO_CHANGES = sql_file(
    "adsum.batches",
    "insert_undo_changes",
    parameters={
        **_OF_RUN,
        "overrules": Boolean(),
        "changed_at": Instant(),
        "changed_role": String(),
        "user_id": BigInt,
        "key_id": BigInt,
        "reason": String(),
    },
)
_APPLY_UNDO = sql_file("adsum.batches", "apply_undo", parameters=_OF_RUN)


@dataclass(frozen=True, slots=True)
class UndoRequest:
    """An undo of the run `run_id` of a batch, and of the runs that it carries on: its caller, time and reason.

    `undone_run_ids`: runs that were undone while newer ones had changed their marks. No record is set back to them.
    """

    batch: Batch
    run_id: str
    caller: Caller
    at: datetime
    reason: str | None
    undone_run_ids: Sequence[str] = ()

    @property
    def values(self) -> dict[str, Any]:
        """The parameters of the statements."""
        return {
            "run_id": self.run_id,
            "session_id": self.batch.session_id,
            "learning_date": self.batch.learning_date,
        }


async def undone_runs(connection: AsyncConnection, batch: Batch) -> list[UndoneRun]:
    """The undos of a batch, the oldest first."""
    change = attendance_changes.c
    run = (change.undoes_run_id, change.changed_at, change.changed_role)
    author = (change.user_id, change.key_id)
    found = (
        select(*run, func.count(), *author)
        .join(attendances, attendances.c.id == change.attendance_id)
        .where(
            attendances.c.session_id == batch.session_id,
            attendances.c.learning_date == batch.learning_date,
            change.undoes_run_id.is_not(None),
        )
        .group_by(*run, *author)
        .order_by(change.changed_at)
    )
    return [UndoneRun(*row) for row in await connection.execute(found)]


async def undo_run(connection: AsyncConnection, undo: UndoRequest) -> tuple[int, dict[int, RecordedMark]]:
    """Sets back the records whose newest standing version is that of the run, with a change entry and an event each.

    Returns:
        Their number, and by student the current records that the run has written and that stay. If any was ever set
        back, the run counts as undone, or as partly undone while any stays.
    """
    caller = undo.caller
    changes = {
        "overrules": caller.overrules,
        "changed_at": undo.at,
        "changed_role": caller.role.value,
        "user_id": caller.user_id,
        "key_id": caller.key_id,
        "reason": undo.reason,
        "undone_run_ids": json.dumps(list(undo.undone_run_ids)),
    }
    await _INSERT_UNDO_CHANGES.fetch_all(connection, undo.values | changes)
    record_ids = [record_id for (record_id,) in await _APPLY_UNDO.fetch_all(connection, undo.values)]
    await insert_change_events(connection, record_ids)
    undone = len(record_ids)
    kept = await _changed_since(connection, undo)
    c = batch_runs.c
    run = update(batch_runs).where(c.run_id == undo.run_id)
    if undone:
        counted = run.values(undone_at=undo.at, undone_jobs=c.undone_jobs + undone, not_undone_jobs=len(kept))
    else:
        counted = run.where(c.undone_at.is_not(None)).values(not_undone_jobs=len(kept))
    await connection.execute(counted)
    await mark_stale_batch(connection, undo.batch)
    return undone, kept


async def _changed_since(connection: AsyncConnection, undo: UndoRequest) -> dict[int, RecordedMark]:
    rows = await _CHANGED_SINCE_RUN.fetch_all(connection, undo.values | {"overrules": undo.caller.overrules})
    return {student_id: RecordedMark(status, note, version) for student_id, status, note, version in rows}
