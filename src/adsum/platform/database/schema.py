"""Migrates a database to the schema of this version. Imports Alembic, which processes that do not migrate leave out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, inspect, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.platform.database.engine import STATEMENT_TIMEOUT_S, Database, LockTimeout, StorageOutage
from adsum.platform.database.revision import COMPATIBLE_FROM, current_revision, schema_compatibility
from adsum.platform.errors import ConfigurationError, Unavailable
from adsum.platform.telemetry import logger

# The advisory lock of one migration on Postgres. Others wait for it as long as for a statement.
_MIGRATION_LOCK = 0x_AD5_0001
_POLL_S = 0.05
# A change of a table waits for the transactions that use it, and all later ones wait behind it. So it gives up soon and
# tries again between them, until the patience is over.
LOCK_TIMEOUT_MS = 500
LOCK_PAUSE_S = 1.0
LOCK_PATIENCE_S = 300.0

log = logger(__name__)


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[2] / "migrations"))
    config.attributes["connection"] = connection
    return config


@cache
def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


async def missing_migrations(database: Database) -> list[str]:
    """The revisions that `migrate` would apply, each with its title, in their order."""
    current = await current_revision(database)
    missing = list(_scripts().iterate_revisions("head", current or "base"))
    return [f"{each.revision} {each.doc}" for each in reversed(missing)]


async def migrate(database: Database) -> int:
    """Applies the missing migrations, each in a transaction of its own, and returns their number.

    On Postgres those that are online run outside of one: see `adsum.migrations.online`.

    A migration that fails leaves the earlier ones applied, and the next call goes on with it. Concurrent calls are
    safe: one migration runs at a time, and none runs twice.

    Afterwards SQLite's file is rewritten: migrations copy tables, and versions before 0027 erased data without
    overwriting it.

    Raises:
        ConfigurationError: migrations are missing, and a pooler is in front of the database.
    """
    if database.is_postgres and await missing_migrations(database) and await database.is_pooled():
        raise ConfigurationError(
            "the database is behind a pooler, which hands out its connections by transaction: run `adsum migrate` once "
            "with an ADSUM_DATABASE_URL that names Postgres itself"
        )
    applied = 0
    while await _migrate_once(database):
        applied += 1
    if applied:
        try:
            await database.rewrite()
        except Unavailable as error:
            # The schema is current. Only unused space remains.
            log.warning("the database file was not rewritten", code=error.code)
    return applied


async def _migrate_once(database: Database) -> bool:
    if not database.is_postgres:
        async with database.migration() as connection:
            return await connection.run_sync(_apply_next)
    async with _locked(database) as connection:
        missing = await connection.run_sync(_first_missing)
        if missing is not None and getattr(missing.module, "ONLINE", False):
            return await connection.run_sync(_apply_next)
        return await _apply_between_others(database)


async def _apply_between_others(database: Database) -> bool:
    """Applies the first missing migration while other processes read and write.

    Raises:
        LockTimeout: some transaction used a table each time, until `LOCK_PATIENCE_S` was over.
    """
    deadline = time.monotonic() + LOCK_PATIENCE_S
    while True:
        try:
            async with database.migration() as transaction:
                await transaction.execute(text(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}"))
                return await transaction.run_sync(_apply_next)
        except LockTimeout:
            if time.monotonic() > deadline:
                raise
            log.info("a table is in use, the migration tries again")
        await asyncio.sleep(LOCK_PAUSE_S)


@asynccontextmanager
async def _locked(database: Database) -> AsyncGenerator[AsyncConnection]:
    """A connection without a transaction, which holds the lock of migrations.

    It asks for the lock again and again: while a statement waits, Postgres creates no index concurrently.

    Raises:
        StorageOutage: another process migrates for longer than a statement may take.
    """
    lock, deadline = {"lock": _MIGRATION_LOCK}, time.monotonic() + STATEMENT_TIMEOUT_S
    async with database.autocommit_read() as connection:
        while not await connection.scalar(text("SELECT pg_try_advisory_lock(:lock)"), lock):
            if time.monotonic() > deadline:
                raise StorageOutage("another process is migrating the database")
            await asyncio.sleep(_POLL_S)
        try:
            yield connection
        finally:
            if not connection.invalidated:
                await connection.execute(text("SELECT pg_advisory_unlock(:lock)"), lock)


def _first_missing(connection: Connection) -> Script | None:
    applied = MigrationContext.configure(connection).get_current_revision()
    missing = list(_scripts().iterate_revisions("head", applied or "base"))
    return missing[-1] if missing else None


def _apply_next(connection: Connection) -> bool:
    """Applies the first missing migration. Returns False if none is missing."""
    missing = _first_missing(connection)
    if missing is not None:
        command.upgrade(_config(connection), missing.revision)
        if inspect(connection).has_table(schema_compatibility.name):
            connection.execute(update(schema_compatibility).values(compatible_from=COMPATIBLE_FROM))
    return missing is not None
