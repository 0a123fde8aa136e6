"""Ending runs: one conditional UPDATE, which only one caller can win, with the final counts of the rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.batches.rules import RunState, Tally
from adsum.platform.database.columns import BigInt, Instant, RunId
from adsum.platform.database.sql_files import sql_file

SQL = "adsum.batches"
_FINAL_COUNTS = dict.fromkeys(("recorded_jobs", "skipped_jobs", "failed_jobs", "cancelled_jobs"), BigInt)
_LOCK_RUNS = sql_file(SQL, "lock_runs")
_CLOSE_RUNS = sql_file(SQL, "close_runs", parameters={"now": Instant()}, returns={"run_id": RunId, **_FINAL_COUNTS})
_CANCEL_JOBS = sql_file(SQL, "cancel_jobs", parameters={"now": Instant()})


@dataclass(frozen=True, slots=True)
class ClosedRun:
    """A run that this very statement ended, with its final counts. `completed_at` None: it was cancelled."""

    run_id: str
    tally: Tally
    ended_at: datetime
    completed_at: datetime | None


async def close_runs(
    connection: AsyncConnection, run_ids: Sequence[str], now: datetime, by: str | None = None
) -> dict[str, ClosedRun]:
    """Closes those of these runs that are still open and whose every job has an outcome; only one caller can win each.

    `by`: the process that had the last of them in hand; None: it is a request that finds them done.

    Returns:
        The runs that this very call closed, by their ids.
    """
    await _lock(connection, run_ids)
    return await _end(connection, run_ids, RunState.CLOSED, now, by)


async def cancel_run(connection: AsyncConnection, run_id: str, now: datetime) -> ClosedRun | None:
    """Ends a run that is still open: what has no outcome is cancelled. A run with nothing to cancel is closed."""
    await _lock(connection, [run_id])
    cancelled = await _CANCEL_JOBS.fetch_all(connection, {"run_ids": json.dumps([run_id]), "now": now})
    state = RunState.CANCELLED if cancelled else RunState.CLOSED
    return (await _end(connection, [run_id], state, now, None)).get(run_id)


async def _lock(connection: AsyncConnection, run_ids: Sequence[str]) -> None:
    """On Postgres: so that what follows is read after every transaction that still wrote for these runs, not from a
    snapshot taken before the locks were had. In the order of their ids, as whoever writes takes them. SQLite has one
    writer at a time.
    """
    if connection.dialect.name != "sqlite":
        await _LOCK_RUNS.fetch_all(connection, {"run_ids": json.dumps(run_ids)})


async def _end(
    connection: AsyncConnection, run_ids: Sequence[str], state: RunState, now: datetime, by: str | None
) -> dict[str, ClosedRun]:
    rows = await _CLOSE_RUNS.fetch_all(
        connection, {"run_ids": json.dumps(run_ids), "state": state, "now": now, "ended_by": by}
    )
    completed_at = now if state is RunState.CLOSED else None
    return {run_id: ClosedRun(run_id, Tally(*counts), now, completed_at) for run_id, *counts in rows}
