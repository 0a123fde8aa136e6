"""Statements that count the outcomes of the jobs of runs. Every count is computed from rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import can_see_school, is_taught_by
from adsum.batches.rules import BatchStatus, RunState, RunUndo, Tally
from adsum.batches.tables import batch_runs
from adsum.platform.database.columns import BigInt
from adsum.platform.database.sql_files import sql_file
from adsum.platform.database.statements import Statement
from adsum.platform.ids import Batch

FINAL_COUNTS = dict.fromkeys(("recorded_jobs", "skipped_jobs", "failed_jobs", "cancelled_jobs"), BigInt)
"""The columns of `batch_runs` with the counts of a run that has ended, with their type."""

_COUNTS = dict.fromkeys(("recorded", "skipped", "failed", "cancelled", "remaining"), BigInt)

STATUS_COLUMNS = (
    batch_runs.c.run_id,
    batch_runs.c.state,
    batch_runs.c.number,
    batch_runs.c.accepted_at,
    batch_runs.c.ended_at,
    batch_runs.c.recorded_jobs,
    batch_runs.c.skipped_jobs,
    batch_runs.c.failed_jobs,
    batch_runs.c.cancelled_jobs,
    batch_runs.c.undone_at,
    batch_runs.c.undone_jobs,
    batch_runs.c.not_undone_jobs,
)
"""The columns of which `_status_of_row` makes a status."""


_RUN_STATUS = sql_file(
    "adsum.batches", "run_status", returns={**{column.name: column.type for column in STATUS_COLUMNS}, **_COUNTS}
)


def _newest_run(*which: ColumnElement[bool]) -> Statement:
    """Selects the school and the `STATUS_COLUMNS` of the newest run of a batch."""
    c = batch_runs.c
    of_batch = (column == bindparam(column.name) for column in (c.class_id, c.session_id, c.learning_date))
    newest = select(c.school_id, *STATUS_COLUMNS).where(*of_batch, *which).order_by(c.number.desc()).limit(1)
    return Statement(lambda _: newest)


# The most frequent query: so it is compiled once for all callers, and once for all teachers.
_NEWEST = _newest_run()
_NEWEST_TAUGHT = _newest_run(
    is_taught_by(
        bindparam("user_id", type_=BigInt), batch_runs.c.class_id, batch_runs.c.session_id, batch_runs.c.learning_date
    )
)


async def batch_status(connection: AsyncConnection, caller: Caller, batch: Batch) -> BatchStatus | None:
    """The status of the newest run of a batch; None: it has none, or the caller does not see its session on that day.

    Consistent without a transaction: one statement returns everything about a run that has ended, another one
    everything about an open run.
    """
    of = {"class_id": batch.class_id, "session_id": batch.session_id, "learning_date": batch.learning_date}
    newest = _NEWEST_TAUGHT if caller.teaches_only else _NEWEST
    for school_id, *status in await newest.fetch_all(connection, of | {"user_id": caller.user_id}):
        if can_see_school(caller, school_id):
            run_id, state, *_ = status
            is_open = state == RunState.OPEN
            return await _counted(connection, batch, run_id) if is_open else _status_of_row(batch, status, {})
    return None


async def _counted(connection: AsyncConnection, batch: Batch, run_id: str) -> BatchStatus:
    """The status of a run that was open a moment ago and may have ended since."""
    (row,) = await _RUN_STATUS.fetch_all(connection, {"run_ids": json.dumps([run_id])})
    status, counts = row[: len(STATUS_COLUMNS)], row[len(STATUS_COLUMNS) :]
    return _status_of_row(batch, status, {run_id: Tally(*counts)})


async def newest_statuses(connection: AsyncConnection, batches: Sequence[Batch]) -> dict[Batch, BatchStatus]:
    """The status of the newest run of each batch, in two queries. The caller sees the batches."""
    c, requested = batch_runs.c, set(batches)
    statement = select(c.class_id, c.session_id, c.learning_date, *STATUS_COLUMNS).where(
        # Not as pairs, for which SQLite scans the table. Other batches that this finds are left out below.
        c.session_id.in_({each.session_id for each in requested}),
        c.learning_date.in_({each.learning_date for each in requested}),
    )
    rows = (await connection.execute(statement.order_by(c.number))).all()
    found = {Batch(*row[:3]): row[3:] for row in rows}  # in the order of their numbers: the last one remains
    return await statuses_of_rows(connection, {batch: row for batch, row in found.items() if batch in requested})


async def statuses_of_rows(
    connection: AsyncConnection, rows: Mapping[Batch, Sequence[Any]]
) -> dict[Batch, BatchStatus]:
    """The status of runs: counted from rows for open runs, the final counts for the others."""
    tallies = await tallies_of(connection, [row[0] for row in rows.values() if row[1] == RunState.OPEN])
    return {batch: _status_of_row(batch, row, tallies) for batch, row in rows.items()}


def _status_of_row(batch: Batch, row: Sequence[Any], tallies: Mapping[str, Tally]) -> BatchStatus:
    run_id, state, number, accepted_at, ended_at, *counts, undone_at, undone, left = row
    tally = tallies[run_id] if state == RunState.OPEN else Tally(*counts)
    undo = RunUndo(undone_at, undone, left)
    return BatchStatus(batch.id, run_id, number, RunState(state), tally, accepted_at, ended_at, undo)


async def tallies_of(connection: AsyncConnection, run_ids: Sequence[str]) -> dict[str, Tally]:
    """The counts of runs, by run id."""
    if not run_ids:
        return {}
    rows = await _RUN_STATUS.fetch_all(connection, {"run_ids": json.dumps(run_ids)})
    return {row[0]: Tally(*row[len(STATUS_COLUMNS) :]) for row in rows}
