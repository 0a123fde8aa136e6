"""Migrates a database to the schema of this version. Imports Alembic, which processes that do not migrate leave out."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.runtime.environment import EnvironmentContext
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, inspect, or_, update

from adsum.platform.database.engine import Database
from adsum.platform.database.revision import COMPATIBLE_FROM, PARTITIONED_FROM, current_revision, schema_compatibility
from adsum.platform.database.table_changes import between_others, refuse_pooler, schema_locked
from adsum.platform.errors import Unavailable
from adsum.platform.telemetry import logger

log = logger(__name__)


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[2] / "operations" / "migrations"))
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

    On Postgres those that are online run outside of one: see `adsum.operations.migrations.online`.

    A migration that fails leaves the earlier ones applied, and the next call goes on with it. Concurrent calls are
    safe: one migration runs at a time, and none runs twice.

    Afterwards SQLite's file is rewritten: migrations copy tables, and versions before 0027 erased data without
    overwriting it.

    Raises:
        ConfigurationError: migrations are missing, and a pooler is in front of the database.
    """
    if database.is_postgres and await missing_migrations(database):
        await refuse_pooler(database, "adsum migrate")
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
    async with schema_locked(database) as connection:
        missing = await connection.run_sync(_first_missing)
        if missing is not None and getattr(missing.module, "ONLINE", False):
            return await connection.run_sync(_apply_next)
        return await between_others(database, lambda transaction: transaction.run_sync(_apply_next))


def _first_missing(connection: Connection) -> Script | None:
    applied = MigrationContext.configure(connection).get_current_revision()
    missing = list(_scripts().iterate_revisions("head", applied or "base"))
    return missing[-1] if missing else None


def _apply_next(connection: Connection) -> bool:
    """Applies the first missing migration. Returns False if none is missing."""
    missing = _first_missing(connection)
    if missing is not None:
        _apply(connection, missing)
        if inspect(connection).has_table(schema_compatibility.name):
            c = schema_compatibility.c
            # Partitions need a newer release than the migrations.
            is_lower = or_(c.compatible_from != PARTITIONED_FROM, c.compatible_from < COMPATIBLE_FROM)
            connection.execute(update(schema_compatibility).where(is_lower).values(compatible_from=COMPATIBLE_FROM))
    return missing is not None


def _apply(connection: Connection, migration: Script) -> None:
    """As Alembic's command `upgrade`, which would read the files of all migrations again for each of them."""
    scripts = _scripts()

    def steps(applied: Any, _context: MigrationContext) -> Any:
        return scripts._upgrade_revs(migration.revision, applied)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]

    with EnvironmentContext(_config(connection), scripts, fn=steps):
        scripts.run_env()
