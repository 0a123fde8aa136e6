"""Emptying what ended long ago: plans and failures of runs, answers under idempotency keys. Records always stay."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.batches.tables import batch_runs, idempotency_keys, job_failures


async def prune_runs(connection: AsyncConnection, ended_before: datetime, now: datetime, limit: int) -> int:
    """Empties the plans of at most `limit` runs, the oldest first, and drops their failures. Their counts stay.

    On Postgres, what another one is pruning is passed by: so two at once do not wait for each other.

    Returns:
        Of how many.
    """
    c = batch_runs.c
    due = (
        select(c.run_id)
        .where(c.ended_at < ended_before, c.pruned_at.is_(None))
        .order_by(c.ended_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    run_ids = list(await connection.scalars(due))
    if run_ids:
        await connection.execute(delete(job_failures).where(job_failures.c.run_id.in_(run_ids)))
        emptied = update(batch_runs).where(c.run_id.in_(run_ids)).values(plan=[], kept=[], pruned_at=now)
        await connection.execute(emptied)
    return len(run_ids)


async def prune_answers(connection: AsyncConnection, kept_before: datetime, limit: int) -> int:
    """Drops at most `limit` kept answers, the oldest first; their keys are new again. Returns how many."""
    c = idempotency_keys.c
    due = (
        select(c.actor, c.key)
        .where(c.created_at < kept_before)
        .order_by(c.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    keys = [tuple(row) for row in await connection.execute(due)]
    if keys:
        await connection.execute(delete(idempotency_keys).where(tuple_(c.actor, c.key).in_(keys)))
    return len(keys)
