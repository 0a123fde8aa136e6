"""The revision of a database, and the one that this version of Adsum requires. Without Alembic, which takes 0.2 s and
10 MB of each process that imports it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from adsum.platform.database.engine import Database

_MIGRATIONS = Path(__file__).parents[2] / "migrations" / "versions"


@cache
def newest_revision() -> str:
    """The revision that this version of Adsum requires: the number at the beginning of the last migration's name."""
    return max(path.name.partition("_")[0] for path in _MIGRATIONS.glob("[0-9]*.py"))


async def current_revision(database: Database) -> str | None:
    """The revision of the database; None if it was never migrated."""
    async with database.snapshot() as connection:
        return await connection.run_sync(_revision)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.scalar(text("SELECT version_num FROM alembic_version"))
