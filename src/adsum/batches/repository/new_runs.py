"""Making runs: the rows. Nothing is made where something has happened since it was decided upon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.batches.plan import Plan
from adsum.batches.repository.runs import Run
from adsum.batches.rules import OnExisting
from adsum.platform.database.columns import Instant, RunId
from adsum.platform.database.sql_files import input_rows, sql_file

_INSERT_RUNS = sql_file(
    "adsum.batches", "insert_runs", parameters={"accepted_at": Instant()}, returns={"run_id": RunId}
)


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run that is to be made.

    Attributes:
        run: the run.
        plan: that it comes from.
        fence: that the session had when the first was seen of what the plan comes from.
        number: of the newest run of the batch that was seen; 0: of none.
        on_existing: what becomes of students who have a record.
        caller: who asked for it.
        forced_reason: why the class is marked although the school is closed; None: it is not.
    """

    run: Run
    plan: Plan
    fence: int
    number: int
    on_existing: OnExisting
    caller: Caller
    forced_reason: str | None = None


async def insert_runs(connection: AsyncConnection, new: Sequence[NewRun]) -> set[str]:
    """Makes runs, open, all accepted at the same moment, each with the next number of its batch.

    Returns:
        The ids of those that were made. Of the others the session's turn is somebody else's, or something has happened
        since they were decided upon: another run was made, or a turn taken.
    """
    if not new:
        return set()
    (accepted_at,) = {each.run.accepted_at for each in new}
    rows = await _INSERT_RUNS.fetch_all(connection, {**input_rows(map(_row, new)), "accepted_at": accepted_at})
    return {run_id for (run_id,) in rows}


def _row(new: NewRun) -> dict[str, Any]:
    run, plan, caller = new.run, new.plan, new.caller
    return {
        "run_id": run.run_id,
        "school_id": run.school_id,
        "class_id": run.batch.class_id,
        "session_id": run.batch.session_id,
        "learning_date": run.batch.learning_date.isoformat(),
        "number": new.number + 1,
        "fence": new.fence,
        "on_existing": new.on_existing,
        "plan": [[job.to_json() for job in chunk] for chunk in run.chunks],
        "kept": list(plan.kept),
        "chunk_size": run.chunk_size,
        "carried_recorded": plan.carried.recorded,
        "carried_skipped": plan.carried.skipped,
        "carried_cancelled": plan.carried.cancelled,
        "total_jobs": plan.total,
        "accepted_role": caller.role,
        "user_id": caller.user_id,
        "key_id": caller.key_id,
        "forced_reason": new.forced_reason,
    }
