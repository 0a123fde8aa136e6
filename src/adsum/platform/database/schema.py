"""Migrates a database to the schema of this version, and reports its revision."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from adsum.platform.database.engine import Database

# The advisory lock of a migration on Postgres. A second migration waits for it, up to the statement timeout.
_MIGRATION_LOCK = 0x_AD5_0001


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[2] / "migrations"))
    config.attributes["connection"] = connection
    return config


@cache
def newest_revision() -> str:
    """The revision that this version of Adsum requires."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None
    return head


async def current_revision(database: Database) -> str | None:
    """The revision of the database; None if it was never migrated."""
    async with database.snapshot() as connection:
        return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())


async def migrate(database: Database) -> None:
    """Applies the missing migrations. Concurrent calls are safe: one waits for the other."""

    def upgrade(connection: Connection) -> None:
        command.upgrade(_config(connection), "head")

    await _exclusively(database, upgrade)


async def _exclusively(database: Database, work: Callable[[Connection], Any]) -> None:
    if not database.is_postgres:
        async with database.transaction() as connection:
            await connection.run_sync(work)
        return
    async with database.transaction() as connection:
        await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        await connection.run_sync(work)
