"""Ending runs: one conditional UPDATE, which only one caller can win, with the final counts of the rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import String, bindparam
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.batches.repository.outcomes import CANCELLED, OUTCOME
from adsum.batches.repository.tallies import TALLY, counting
from adsum.batches.rules import RunState, Tally
from adsum.platform.database.columns import BigInt, Instant, RunId
from adsum.platform.database.statements import of_text

_LOCK = """
SELECT run_id FROM batch_runs
WHERE run_id IN (SELECT CAST(value AS uuid) FROM jsonb_array_elements_text(CAST(:run_ids AS jsonb)) AS value)
ORDER BY run_id FOR UPDATE"""
_LOCKING = of_text(lambda _: _LOCK, bindparam("run_ids", type_=String))
_CLOSE = """
UPDATE batch_runs
SET state = :state, ended_at = :now, ended_by = :by, recorded_jobs = tally.recorded, skipped_jobs = tally.skipped,
    failed_jobs = tally.failed, cancelled_jobs = tally.cancelled
FROM tally
WHERE batch_runs.run_id = tally.run_id AND state = 'open' AND tally.remaining = 0
RETURNING batch_runs.run_id, recorded_jobs, skipped_jobs, failed_jobs, cancelled_jobs"""

ENDING = (bindparam("now", type_=Instant()), bindparam("by", type_=String))
"""When a run ends, and by whom: of every statement that closes."""
COUNTS = dict.fromkeys(("recorded_jobs", "skipped_jobs", "failed_jobs", "cancelled_jobs"), BigInt)
"""The final counts of a run, as they are told by what ends it."""
_ENDING = counting(f"{TALLY}{_CLOSE}", bindparam("state", type_=String), *ENDING, told={"run_id": RunId, **COUNTS})

_CANCEL = f"""
outcome AS ({OUTCOME})
INSERT INTO job_failures (run_id, student_id, code, failed_at)
SELECT run_id, student_id, '{CANCELLED}', :now FROM outcome WHERE outcome = 'pending' AND state = 'open'
ORDER BY student_id
ON CONFLICT (run_id, student_id) DO NOTHING
RETURNING student_id"""
_CANCELLING = counting(_CANCEL, bindparam("now", type_=Instant()))


@dataclass(frozen=True, slots=True)
class ClosedRun:
    """A run that this very statement ended, with its final counts. `completed_at` None: it was cancelled."""

    run_id: str
    tally: Tally
    ended_at: datetime
    completed_at: datetime | None


def closing_recorded(which: str) -> str:
    """Closes runs of which every job is recorded; `which` names them.

    That stays so for ever: no record goes, and none changes its run. So nothing is counted; what was planned tells.
    """
    return f"""
    UPDATE batch_runs
    SET state = 'closed', ended_at = :now, ended_by = :by, failed_jobs = 0, cancelled_jobs = carried_cancelled,
        skipped_jobs = carried_skipped + {{array_length}}(kept),
        recorded_jobs = total_jobs - carried_skipped - {{array_length}}(kept) - carried_cancelled
    {which} AND batch_runs.state = 'open'
    RETURNING batch_runs.run_id, recorded_jobs, skipped_jobs, failed_jobs, cancelled_jobs"""


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
    cancelled = await _CANCELLING.fetch_all(connection, {"run_ids": json.dumps([run_id]), "now": now})
    state = RunState.CANCELLED if cancelled else RunState.CLOSED
    return (await _end(connection, [run_id], state, now, None)).get(run_id)


async def _lock(connection: AsyncConnection, run_ids: Sequence[str]) -> None:
    """On Postgres: so that what follows is read after every transaction that still wrote for these runs, not from a
    snapshot taken before the locks were had. In the order of their ids, as whoever writes takes them. SQLite has one
    writer at a time.
    """
    if connection.dialect.name != "sqlite":
        await _LOCKING.fetch_all(connection, {"run_ids": json.dumps(run_ids)})


async def _end(
    connection: AsyncConnection, run_ids: Sequence[str], state: RunState, now: datetime, by: str | None
) -> dict[str, ClosedRun]:
    rows = await _ENDING.fetch_all(connection, {"run_ids": json.dumps(run_ids), "state": state, "now": now, "by": by})
    completed_at = now if state is RunState.CLOSED else None
    return {run_id: ClosedRun(run_id, Tally(*counts), now, completed_at) for run_id, *counts in rows}
