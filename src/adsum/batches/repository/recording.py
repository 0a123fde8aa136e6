"""Recording: what the jobs of runs ask for goes from their plans into the records, inside the database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.batches.repository.closing import ClosedRun
from adsum.batches.repository.jobs import (
    PROGRESS_COLUMNS,
    JobSlice,
    Progress,
    named,
    progress,
    progress_of,
)
from adsum.batches.rules import Tally
from adsum.platform.database.columns import BigInt, Instant, RunId
from adsum.platform.database.sql_files import sql_file

SQL = "adsum.batches"
_COUNTS = dict.fromkeys(("recorded_jobs", "skipped_jobs", "failed_jobs", "cancelled_jobs"), BigInt)
_RECORD_JOBS = sql_file(SQL, "record_jobs", parameters={"now": Instant()}, returns={**PROGRESS_COLUMNS, **_COUNTS})
_CLOSE_RECORDED_RUNS = sql_file(
    SQL, "close_recorded_runs", parameters={"now": Instant()}, returns={"run_id": RunId, **_COUNTS}
)
_INSERT_RECORDS = sql_file(SQL, "insert_records")
_INSERT_CHANGES = sql_file(SQL, "insert_changes")
_APPLY_CHANGES = sql_file(SQL, "apply_changes")
_FAIL_PENDING_JOBS = sql_file(SQL, "fail_pending_jobs", parameters={"now": Instant()})


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
    rows = await _RECORD_JOBS.fetch_all(connection, {**named(slices), "now": now, "ended_by": by})
    return [_told(row[: len(PROGRESS_COLUMNS)], row[len(PROGRESS_COLUMNS) :], now) for row in rows]


def _told(progress: Sequence[Any], counts: Sequence[Any], now: datetime) -> Progress:
    found, is_closed = progress_of(*progress), None not in counts
    return replace(found, closed=ClosedRun(found.run_id, Tally(*counts), now, now)) if is_closed else found


async def _close_recorded(
    connection: AsyncConnection, run_ids: Sequence[str], now: datetime, by: str | None
) -> dict[str, ClosedRun]:
    if not run_ids:
        return {}
    rows = await _CLOSE_RECORDED_RUNS.fetch_all(
        connection, {"run_ids": json.dumps(run_ids), "now": now, "ended_by": by}
    )
    return {run_id: ClosedRun(run_id, Tally(*counts), now, now) for run_id, *counts in rows}


async def insert_records(connection: AsyncConnection, slices: Sequence[JobSlice]) -> None:
    """Inserts the records of open runs, of students who are still enrolled; whoever has a record keeps it."""
    await _INSERT_RECORDS.fetch_all(connection, named(slices))


async def update_records(connection: AsyncConnection, slices: Sequence[JobSlice]) -> None:
    """Changes the records of open runs' jobs that update, where they are as accept saw them, and keeps what was."""
    await _INSERT_CHANGES.fetch_all(connection, named(slices))
    await _APPLY_CHANGES.fetch_all(connection, named(slices))


async def fail_pending(connection: AsyncConnection, slices: Sequence[JobSlice], code: str, now: datetime) -> None:
    """Ends as failed what has no outcome yet. `code` is stable, and the same to everyone who sees it."""
    await _FAIL_PENDING_JOBS.fetch_all(connection, {**named(slices), "code": code, "now": now})
