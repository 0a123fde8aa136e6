"""Making runs: the turns of sessions, and the rows. The partial unique index allows one open run a batch."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.domain.access import Caller
from adsum.domain.batches import OnExisting, RunState
from adsum.domain.plan import Plan
from adsum.storage.asked import asking, rows_asked
from adsum.storage.runs import Run
from adsum.storage.statements import Statement
from adsum.storage.tables import batch_runs

# In the order of the ids, so that two who wait for several cannot deadlock.
_TURNS = "SELECT id FROM sessions WHERE id IN (SELECT session_id FROM asked) ORDER BY id FOR NO KEY UPDATE"
_EACH_TURN = asking(_TURNS, {"session_id": "bigint"})
_FREE_TURNS = asking(f"{_TURNS} SKIP LOCKED", {"session_id": "bigint"})
_NEXT_NUMBER = (
    select(func.coalesce(func.max(batch_runs.c.number), 0) + 1)
    .where(batch_runs.c.session_id == bindparam("of_session"), batch_runs.c.learning_date == bindparam("of_day"))
    .scalar_subquery()
)
_GIVEN = (
    *("run_id", "school_id", "class_id", "session_id", "learning_date", "on_existing", "plan", "kept", "chunk_size"),
    *("carried_recorded", "carried_skipped", "carried_cancelled", "total_jobs", "accepted_at", "accepted_role"),
    *("user_id", "key_id", "forced_reason"),
)
_INSERT = Statement(
    lambda _: insert(batch_runs).values(
        number=_NEXT_NUMBER, state=RunState.OPEN.value, **{name: bindparam(name) for name in _GIVEN}
    )
)


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run that is to be made, with the plan that it comes from, and who asked for it.

    `forced_reason`: why the class is marked although the school is closed; None: it is not.
    """

    run: Run
    plan: Plan
    on_existing: OnExisting
    caller: Caller
    forced_reason: str | None = None


async def take_turns(connection: AsyncConnection, session_ids: Collection[int], *, waits: bool) -> set[int]:
    """Lets one submission of a session at a time look and then insert, until its transaction ends.

    Without this a second submission could read the records before, and insert its run after, the first one ran: its
    marks would be skipped, and its answer would list no conflict. SQLite has one writer at a time anyway.

    Args:
        connection: of an open transaction.
        session_ids: whose turns are asked for.
        waits: for turns that others have. Else they are left out, so that many who ask together wait for nobody.

    Returns:
        The sessions whose turn it is.
    """
    if connection.dialect.name == "sqlite":
        return set(session_ids)
    turns = _EACH_TURN if waits else _FREE_TURNS
    rows = await turns.rows(connection, rows_asked({"session_id": each} for each in session_ids))
    return {session_id for (session_id,) in rows}


async def insert_runs(connection: AsyncConnection, new: Sequence[NewRun]) -> None:
    """Makes runs, open, each with the next number of its batch. The turns have to be taken before."""
    if new:
        await _INSERT.each(connection, [_new_row(each) for each in new])


def _new_row(new: NewRun) -> dict[str, Any]:
    run, plan, caller = new.run, new.plan, new.caller
    return {
        "run_id": run.run_id,
        "school_id": run.school_id,
        "class_id": run.batch.class_id,
        "session_id": run.batch.session_id,
        "learning_date": run.batch.learning_date,
        "of_session": run.batch.session_id,
        "of_day": run.batch.learning_date,
        "on_existing": new.on_existing,
        "plan": [[job.to_json() for job in chunk] for chunk in run.chunks],
        "kept": list(plan.kept),
        "chunk_size": run.chunk_size,
        "carried_recorded": plan.carried.recorded,
        "carried_skipped": plan.carried.skipped,
        "carried_cancelled": plan.carried.cancelled,
        "total_jobs": plan.total,
        "accepted_at": run.accepted_at,
        "accepted_role": caller.role,
        "user_id": caller.user_id,
        "key_id": caller.key_id,
        "forced_reason": new.forced_reason,
    }
