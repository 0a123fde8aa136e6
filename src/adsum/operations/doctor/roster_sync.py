"""The check of the syncs of a roster by workers."""

from __future__ import annotations

from datetime import timedelta

from adsum.operations.doctor.findings import Finding, ok, warning
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Database
from adsum.roster.syncing.repository import sync_state_of
from adsum.roster.syncing.rules import RETRY_AFTER
from adsum.roster.syncing.schedule import Schedule

CHECK = "roster sync"
# A sync takes minutes, and a failed one is repeated.
LATE = timedelta(hours=1)


async def check_roster_sync(database: Database, schedule: Schedule | None, now: Clock) -> Finding:
    """Whether the last sync succeeded, and workers sync when it is due. Raises Unavailable."""
    if schedule is None:
        return ok(CHECK, "workers do not sync a roster")
    async with database.snapshot() as connection:
        state = await sync_state_of(connection, schedule.source.url)
    if state.error is not None:
        return warning(CHECK, f"the last sync failed: {state.error}", "adsum roster sync --dry-run")
    if state.synced_at is None:
        return ok(CHECK, "the first sync is due")
    if now() - state.synced_at > schedule.interval + RETRY_AFTER + LATE:
        return warning(CHECK, f"no worker has synced since {state.synced_at:%Y-%m-%d %H:%M} UTC", "adsum worker")
    return ok(CHECK, f"the last sync was at {state.synced_at:%Y-%m-%d %H:%M} UTC")
