"""Migrates a database to the schema of this version. Imports Alembic, which processes that do not migrate leave out."""

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

# The advisory lock of one migration on Postgres. Others wait for it, up to the statement timeout.
_MIGRATION_LOCK = 0x_AD5_0001

log = logger(__name__)


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[2] / "migrations"))
    config.attributes["connection"] = connection
    return config


@cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


async def migrate(database: Database) -> int:
    """Applies the missing migrations, each in a transaction of its own, and returns their number.

    A migration that fails leaves the earlier ones applied, and the next call goes on with it. Concurrent calls are
    safe: one migration runs at a time, and none runs twice.

    Afterwards SQLite's file is rewritten: migrations copy tables, and versions before 0027 erased data without
    overwriting it.
    """
    applied = 0
    while await _migrate_once(database):
        applied += 1
    if applied:
        try:
            await database.rewrite()
        except Unavailable as error:
            # The schema is current. Only unused space remains.
            log.warning("the database file was not rewritten", reason=error.detail)
    return applied


async def _migrate_once(database: Database) -> bool:
    async with database.migration() as connection:
        if database.is_postgres:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _MIGRATION_LOCK})
        return await connection.run_sync(_apply_next)


def _apply_next(connection: Connection) -> bool:
    """Applies the first missing migration. Returns False if none is missing."""
    config, applied = _config(connection), MigrationContext.configure(connection).get_current_revision()
    missing = [each.revision for each in _scripts().iterate_revisions("head", applied or "base")]
    if missing:
        command.upgrade(config, missing[-1])
    return bool(missing)
