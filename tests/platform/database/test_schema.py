"""The migrations create the tables of the metadata on both databases."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, inspect, text
from sqlalchemy.engine.interfaces import ReflectedIndex

from adsum.platform.database import engine, pools, revision, schema
from adsum.platform.database.columns import metadata
from adsum.platform.database.engine import Database, StorageOutage, open_database

MIGRATIONS = Path(__file__).parents[3] / "src" / "adsum" / "operations" / "migrations" / "versions"


def differences(connection: Connection) -> list[Any]:
    # Alembic misreads SQLite's defaults; they come from the same migration as those of Postgres.
    defaults = connection.dialect.name == "postgresql"
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": defaults})
    return list(compare_metadata(context, metadata))


async def test_the_migrations_create_exactly_the_tables_of_the_metadata(unmigrated: Database) -> None:
    await schema.migrate(unmigrated)
    async with unmigrated.transaction() as connection:
        assert await connection.run_sync(differences) == []


def description(connection: Connection, schema: str | None = None) -> dict[str, Any]:
    """Columns, keys, checks and indexes of each table, with the conditions of partial indexes."""
    inspector = inspect(connection)
    found: dict[str, Any] = {}
    for table in set(inspector.get_table_names(schema)) - {"alembic_version"}:
        parts = (
            [
                (each["name"], str(each["type"]), each["nullable"], each["default"])
                for each in inspector.get_columns(table, schema)
            ],
            inspector.get_pk_constraint(table, schema)["constrained_columns"],
            [
                (each["name"], each["constrained_columns"], each["referred_table"], each["referred_columns"])
                for each in inspector.get_foreign_keys(table, schema)
            ],
            [(each["name"], each["column_names"]) for each in inspector.get_unique_constraints(table, schema)],
            [each["sqltext"] for each in inspector.get_check_constraints(table, schema)],
            [
                (each["name"], each["column_names"], each["unique"], _options(each))
                for each in inspector.get_indexes(table, schema)
            ],
        )
        found[table] = [sorted(str(each).replace(f"{schema}.", "") for each in part) for part in parts]
    return found


def _options(index: ReflectedIndex) -> dict[str, str]:
    return {name: str(option) for name, option in index.get("dialect_options", {}).items()}


def autoincrementing(connection: Connection) -> set[str]:
    return set(connection.scalars(text("SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%'")))


async def test_a_migrated_file_has_the_same_keys_checks_and_indexes_as_a_new_one(
    sqlite_url: str, tmp_path: Path
) -> None:
    migrated, new = open_database(sqlite_url), create_engine(f"sqlite:///{tmp_path}/new.db")
    with new.begin() as connection:
        metadata.create_all(connection)
        expected, numbered = description(connection), autoincrementing(connection)
    new.dispose()
    async with migrated.snapshot() as connection:
        assert await connection.run_sync(description) == expected
        assert await connection.run_sync(autoincrementing) == numbered
    assert numbered == {each.name for each in metadata.sorted_tables if "id" in each.c and each.c.id.autoincrement}
    await migrated.close()


async def test_a_migrated_server_has_the_same_keys_checks_and_indexes_as_a_new_one(unpartitioned: Database) -> None:
    def create(connection: Connection) -> dict[str, Any]:
        connection.execute(text("CREATE SCHEMA made"))
        metadata.create_all(connection.execution_options(schema_translate_map={None: "made"}))
        return description(connection, "made")

    async with unpartitioned.transaction() as connection:
        assert await connection.run_sync(description) == await connection.run_sync(create)


async def test_a_migrated_database_is_current_and_stays_so(database: Database) -> None:
    assert await revision.current_revision(database) == revision.newest_revision()
    assert await schema.migrate(database) == 0
    assert await revision.current_revision(database) == revision.newest_revision()


async def test_two_processes_can_migrate_one_database_at_once(unmigrated_url: str) -> None:
    """By two programs, each with its own connections."""
    one, other = open_database(unmigrated_url), open_database(unmigrated_url)
    try:
        assert await revision.current_revision(one) != revision.newest_revision()
        applied = await asyncio.gather(schema.migrate(one), schema.migrate(other))
        assert sum(applied) == len(list(MIGRATIONS.glob("0*.py")))
        assert await revision.current_revision(one) == revision.newest_revision()
    finally:
        await one.close()
        await other.close()


async def test_a_migration_of_a_file_that_stays_locked_is_an_outage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "MIGRATION_TIMEOUT_MS", 10)
    path = tmp_path / "locked.db"
    database = open_database(f"sqlite:///{path}")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageOutage):
            await schema.migrate(database)
    assert await schema.migrate(database) > 0
    await database.close()


async def test_a_migration_waits_longer_for_others_than_a_request(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/new.db")
    timeout = text("PRAGMA busy_timeout")
    async with database.migration() as connection:
        assert await connection.scalar(timeout) == engine.MIGRATION_TIMEOUT_MS
    async with database.snapshot() as connection:
        assert await connection.scalar(timeout) == pools.BUSY_TIMEOUT_MS
    await database.close()


async def test_a_migration_leaves_no_deleted_rows_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA secure_delete = OFF")
        connection.execute("CREATE TABLE old (name TEXT)")
        connection.executemany("INSERT INTO old VALUES (?)", [("Xylanthe",)] * 1000)
        connection.execute("DROP TABLE old")
        connection.commit()
    assert b"Xylanthe" in path.read_bytes()

    database = open_database(f"sqlite:///{path}")
    assert await schema.migrate(database) > 0

    await database.close()
    assert b"Xylanthe" not in path.read_bytes()


async def test_a_migration_without_space_for_a_rewrite_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_database: Database) -> None:
        raise StorageOutage("the disk is full")

    monkeypatch.setattr(Database, "rewrite", fail)
    database = open_database(f"sqlite:///{tmp_path}/new.db")

    assert await schema.migrate(database) > 0
    assert await revision.current_revision(database) == revision.newest_revision()
    await database.close()


async def test_a_migration_that_fails_keeps_the_earlier_ones(unmigrated: Database) -> None:
    in_the_way = "CREATE TABLE student_merges (id INTEGER)"  # revision 0023 creates it
    async with unmigrated.transaction() as connection:
        await connection.execute(text(in_the_way))
    with pytest.raises(StorageOutage):
        await schema.migrate(unmigrated)
    assert await revision.current_revision(unmigrated) == "0022"
    async with unmigrated.transaction() as connection:
        await connection.execute(text("DROP TABLE student_merges"))

    assert await schema.migrate(unmigrated) == len(list(MIGRATIONS.glob("0*.py"))) - 22

    assert await revision.current_revision(unmigrated) == revision.newest_revision()
