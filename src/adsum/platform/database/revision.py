"""The revision of a database, and the one that this version of Adsum requires. Without Alembic, which takes 0.2 s and
10 MB of each process that imports it.
"""

from __future__ import annotations

from enum import StrEnum
from functools import cache
from pathlib import Path

from sqlalchemy import CheckConstraint, Column, Connection, Integer, String, Table, inspect, select, text

from adsum.platform.database.columns import metadata
from adsum.platform.database.engine import Database

_MIGRATIONS = Path(__file__).parents[2] / "operations" / "migrations" / "versions"

COMPATIBLE_FROM = "0063"
"""The newest revision of the release before. Its processes work beside those of this release, on one database. See
`tests/platform/database/release_before`, which checks the migrations after it."""

PARTITIONED_FROM = "0066"
"""The oldest revision whose release works on partitioned tables."""

# One row, written by the release that has migrated last.
schema_compatibility = Table(
    "schema_compatibility",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    # The `COMPATIBLE_FROM` of that release; with partitions `PARTITIONED_FROM`, if it is later.
    Column("compatible_from", String(4), nullable=False),
    CheckConstraint("number = 1", name="one_row"),
)


class MigrationState(StrEnum):
    """The revision of the database compared with the revision of this version."""

    CURRENT = "current"
    BEHIND = "behind"
    # The next release has migrated. Its migrations keep what this version uses.
    AHEAD = "ahead"
    # A release after the next one has migrated.
    INCOMPATIBLE = "incompatible"


@cache
def newest_revision() -> str:
    """The revision that this version of Adsum requires: the number at the beginning of the last migration's name."""
    return max(path.name.partition("_")[0] for path in _MIGRATIONS.glob("[0-9]*.py"))


async def current_revision(database: Database) -> str | None:
    """The revision of the database; None if it was never migrated."""
    async with database.snapshot() as connection:
        return await connection.run_sync(_revision)


async def migration_state(database: Database) -> MigrationState:
    """Compares the revisions, which are numbered: 0001, 0002, …"""
    if database.is_missing:
        return MigrationState.BEHIND  # a query would create the SQLite file
    newest = newest_revision()
    async with database.snapshot() as connection:
        current = await connection.run_sync(_revision)
        if current == newest:
            return MigrationState.CURRENT
        if current is None or current < newest:
            return MigrationState.BEHIND
        compatible_from = await connection.scalar(select(schema_compatibility.c.compatible_from))
        is_compatible = compatible_from is not None and compatible_from <= newest
        return MigrationState.AHEAD if is_compatible else MigrationState.INCOMPATIBLE


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.scalar(text("SELECT version_num FROM alembic_version"))
