"""The migrations create the tables of the metadata on both databases."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection

from adsum.platform.database import schema
from adsum.platform.database.columns import metadata
from adsum.platform.database.engine import Database, open_database
from tests.support.servers.postgres import Postgres

MIGRATIONS = Path(__file__).parents[3] / "src" / "adsum" / "migrations" / "versions"


def differences(connection: Connection) -> list[Any]:
    # Alembic misreads SQLite's defaults; they come from the same migration as those of Postgres.
    defaults = connection.dialect.name == "postgresql"
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": defaults})
    return list(compare_metadata(context, metadata))


async def test_the_migrations_create_exactly_the_tables_of_the_metadata(database: Database) -> None:
    async with database.transaction() as connection:
        assert await connection.run_sync(differences) == []


async def test_a_migrated_database_is_current_and_stays_so(database: Database) -> None:
    assert await schema.current_revision(database) == schema.newest_revision()
    assert await schema.migrate(database) == 0
    assert await schema.current_revision(database) == schema.newest_revision()


async def migrate_twice_at_once(url: str) -> None:
    """By two programs, each with its own connections."""
    one, other = open_database(url), open_database(url)
    try:
        assert await schema.current_revision(one) != schema.newest_revision()
        nothing, all_migrations = sorted(await asyncio.gather(schema.migrate(one), schema.migrate(other)))
        assert (nothing, all_migrations) == (0, len(list(MIGRATIONS.glob("0*.py"))))
        assert await schema.current_revision(one) == schema.newest_revision()
    finally:
        await one.close()
        await other.close()


async def test_two_processes_can_migrate_one_file_at_once(tmp_path: Path) -> None:
    await migrate_twice_at_once(f"sqlite:///{tmp_path}/new.db")


async def test_two_processes_can_migrate_one_server_at_once(postgres: Postgres) -> None:
    postgres.run("CREATE DATABASE adsum_migrated_twice")
    try:
        await migrate_twice_at_once(postgres.url("adsum_migrated_twice"))
    finally:
        postgres.run("DROP DATABASE adsum_migrated_twice WITH (FORCE)")
