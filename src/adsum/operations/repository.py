"""What an operator's probes and metrics ask the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.batches.rules import Tally
from adsum.batches.tables import batch_runs
from adsum.platform.database.engine import Database
from adsum.platform.database.schema import current_revision, newest_revision


class MigrationState(StrEnum):
    """Where the schema stands, seen from this version."""

    CURRENT = "current"
    BEHIND = "behind"
    # Migrations expand before they contract: this version works on the schema of the next one.
    AHEAD = "ahead"


async def migration_state(database: Database) -> MigrationState:
    """Compares the database's revision with this version's. Revisions are numbered: 0001, 0002, …"""
    if database.is_missing:
        return MigrationState.BEHIND  # to ask SQLite would make the file
    current, newest = await current_revision(database), newest_revision()
    if current == newest:
        return MigrationState.CURRENT
    return MigrationState.BEHIND if current is None or current < newest else MigrationState.AHEAD


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that has ended, with its final counts, and how long it took from its acceptance."""

    run_id: str
    tally: Tally
    took: timedelta


async def runs_ended_since(connection: AsyncConnection, moment: datetime) -> list[EndedRun]:
    """Read from the index of ended runs, whatever the size of the table."""
    counts = (
        batch_runs.c.recorded_jobs,
        batch_runs.c.skipped_jobs,
        batch_runs.c.failed_jobs,
        batch_runs.c.cancelled_jobs,
    )
    found = select(batch_runs.c.run_id, batch_runs.c.accepted_at, batch_runs.c.ended_at, *counts).where(
        batch_runs.c.ended_at >= moment, batch_runs.c.pruned_at.is_(None)
    )
    return [
        EndedRun(run_id, Tally(*tally), ended_at - accepted_at)
        for run_id, accepted_at, ended_at, *tally in await connection.execute(found)
    ]


async def open_runs(connection: AsyncConnection) -> tuple[int, datetime | None]:
    """How many runs are open, and since when the oldest one; the index of open runs is all that is read."""
    found = select(func.count(), func.min(batch_runs.c.accepted_at)).where(batch_runs.c.state == "open")
    count, oldest = (await connection.execute(found)).one()
    return int(count), oldest
