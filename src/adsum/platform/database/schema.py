"""Migrates a database to the schema of this version, and reports its revision."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from adsum.platform.database.engine import Database
from adsum.platform.errors import Unavailable
from adsum.platform.telemetry import logger

# The advisory lock of a migration on Postgres. A second migration waits for it, up to the statement timeout.
_MIGRATION_LOCK = 0x_AD5_0001

log = logger(__name__)


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


async def migrate(database: Database) -> int:
    """Applies the missing migrations, and returns their number. Concurrent calls are safe: one waits for the other.

    Afterwards SQLite's file is rewritten: migrations copy tables, and versions before 0027 erased data without
    overwriting it.
    """
    async with database.migration() as connection:
        if database.is_postgres:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        applied = await connection.run_sync(_upgrade)
    if applied:
        try:
            await database.rewrite()
        except Unavailable as error:
            # The schema is current. Only unused space remains.
            log.warning("the database file was not rewritten", reason=error.detail)
    return applied


def _upgrade(connection: Connection) -> int:
    config, applied = _config(connection), MigrationContext.configure(connection).get_current_revision()
    missing = list(ScriptDirectory.from_config(config).iterate_revisions("head", applied or "base"))
    command.upgrade(config, "head")
    return len(missing)
