"""Statements on the state of sources."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import String, Update, select, update

from adsum.platform.database.columns import Instant
from adsum.platform.database.engine import Connection
from adsum.platform.database.sql_files import sql_file
from adsum.roster.syncing.rules import SyncState
from adsum.roster.syncing.tables import roster_sources

_CLAIM = sql_file(
    "adsum.roster.syncing",
    "claim_source",
    parameters={"claimed_until": Instant(), "now": Instant()},
    returns={"url": String},
)
_C = roster_sources.c


async def sync_state_of(connection: Connection, url: str) -> SyncState:
    """The state of a source; that of one which was never read, if it is unknown."""
    columns = (_C.seen, _C.full_at, _C.synced_at, _C.tried_at, _C.error, _C.claimed_until)
    row = (await connection.execute(select(*columns).where(_C.url == url))).first()
    return SyncState() if row is None else SyncState(row[0] or {}, *row[1:])


async def claim(connection: Connection, url: str, claim: str, now: datetime, until: datetime) -> bool:
    """Claims a source for a sync. False: another process has claimed it."""
    values = {"url": url, "claim": claim, "claimed_until": until, "now": now}
    return bool(await _CLAIM.fetch_all(connection, values))


async def renew(connection: Connection, url: str, claim: str, until: datetime) -> None:
    """Keeps a claim for longer."""
    await connection.execute(_of(url, claim).values(claimed_until=until))


async def release(connection: Connection, url: str, claim: str) -> None:
    """Ends a claim."""
    await connection.execute(_of(url, claim).values(claim=None, claimed_until=None))


async def store_failure(connection: Connection, url: str, claim: str, error: str) -> None:
    """Stores why a sync has failed."""
    await connection.execute(_of(url, claim).values(error=error))


async def store_success(
    connection: Connection, url: str, claim: str, seen: Mapping[str, str], began: datetime, *, is_full: bool
) -> bool:
    """Stores that a sync has succeeded. False: another process has claimed the source since."""
    values = {"seen": dict(seen), "synced_at": began, "error": None}
    statement = _of(url, claim).values(**values, **({"full_at": began} if is_full else {}))
    return (await connection.execute(statement)).rowcount == 1


def _of(url: str, claim: str) -> Update:
    return update(roster_sources).where(_C.url == url, _C.claim == claim)
