"""Tables: the sources of rosters, and the state of their sync."""

from __future__ import annotations

from sqlalchemy import Column, PrimaryKeyConstraint, String, Table, Text

from adsum.platform.database.columns import Instant, Json, metadata

# `seen`: by collection, the last `dateLastModified` that was imported. `claim`: of the process that syncs, which renews
# `claimed_until`. `error`: of the last sync; NULL: it succeeded.
roster_sources = Table(
    "roster_sources",
    metadata,
    Column("url", String(255), nullable=False),
    Column("seen", Json),
    Column("full_at", Instant),
    Column("synced_at", Instant),
    Column("tried_at", Instant),
    Column("error", Text),
    Column("claim", String(36)),
    Column("claimed_until", Instant),
    PrimaryKeyConstraint("url"),
)
