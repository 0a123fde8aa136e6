"""Errors of the server are outages, which callers retry. Only invalid data is rejected."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from adsum.platform.database.engine import Database, Deadlocked, RejectedRows, StorageOutage, open_database
from tests.support.servers.postgres import Postgres, temporary_postgres


@contextmanager
def other_user(postgres: Postgres, url: str, options: str, *settings: str) -> Generator[str]:
    """The URL of the same database for a user with these options and settings, who exists until the block ends."""
    postgres.run(f"CREATE ROLE other LOGIN {options}")
    for setting in settings:
        postgres.run(f"ALTER ROLE other SET {setting}")
    try:
        yield url.replace("postgres@", "other@")
    finally:
        postgres.run("DROP ROLE other")


async def ask(database: Database, statement: str = "SELECT 1") -> None:
    async with database.transaction() as connection:
        await connection.execute(text(statement))


async def test_a_stopped_server_is_an_outage_until_it_is_back(postgres_data: Path) -> None:
    with temporary_postgres(postgres_data) as server:
        database = open_database(server.url("postgres"))
        await ask(database)
    for _ in range(3):
        with pytest.raises(StorageOutage):
            await ask(database)
        with pytest.raises(StorageOutage):
            async with database.snapshot() as connection:
                await connection.execute(text("SELECT 1"))
    await database.close()


async def test_a_file_that_is_not_a_database_is_an_outage(tmp_path: Path) -> None:
    (tmp_path / "adsum.db").write_bytes(b"no database at all" * 100)
    database = open_database(f"sqlite:///{tmp_path}/adsum.db")
    with pytest.raises(StorageOutage):
        await ask(database, "SELECT * FROM schools")
    await database.close()


async def test_a_closed_connection_is_an_outage_and_the_next_transaction_works(postgres_database: Database) -> None:
    with pytest.raises(StorageOutage):
        await ask(postgres_database, "SELECT pg_terminate_backend(pg_backend_pid())")
    await ask(postgres_database)


async def test_closing_all_connections_costs_one_transaction(postgres: Postgres, postgres_database: Database) -> None:
    await ask(postgres_database)
    postgres.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'adsum'")
    with pytest.raises(StorageOutage):
        await ask(postgres_database)
    await ask(postgres_database)


async def test_a_server_without_free_connections_is_an_outage(postgres: Postgres, postgres_url: str) -> None:
    with other_user(postgres, postgres_url, "CONNECTION LIMIT 0") as url:
        database = open_database(url)
        with pytest.raises(StorageOutage):
            await ask(database)
        await database.close()


async def test_a_missing_database_is_an_outage(postgres: Postgres) -> None:
    database = open_database(postgres.url("not_restored_yet"))
    with pytest.raises(StorageOutage):
        await ask(database)
    await database.close()


@pytest.mark.parametrize(
    "failing",
    [
        "SELECT * FROM a_table_of_the_next_version",
        "SELECT pg_read_file('/etc/shadow')",
        "SELECT pg_sleep(5)",
    ],
)
async def test_an_error_that_affects_every_statement_is_an_outage(
    postgres: Postgres, postgres_url: str, failing: str
) -> None:
    with other_user(postgres, postgres_url, "", "statement_timeout = 100") as url:
        database = open_database(url)
        with pytest.raises(StorageOutage):
            await ask(database, failing)
        await database.close()


async def test_a_server_that_became_a_read_only_replica_is_an_outage(postgres: Postgres, postgres_url: str) -> None:
    with other_user(postgres, postgres_url, "SUPERUSER", "default_transaction_read_only = on") as url:
        database = open_database(url)
        with pytest.raises(StorageOutage):
            await ask(database, "DELETE FROM schools")
        await database.close()


@pytest.mark.parametrize(
    "failing",
    [
        "SELECT 1 / 0",
        "SELECT CAST('x' AS integer)",
        'SELECT CAST(\'{"note": "\\u0000"}\' AS jsonb)',
        "INSERT INTO schools (name) VALUES (NULL)",
        "DO $$ BEGIN RAISE EXCEPTION 'no'; END $$",
    ],
)
async def test_invalid_data_is_rejected(postgres_database: Database, failing: str) -> None:
    with pytest.raises(RejectedRows):
        async with postgres_database.transaction() as connection:
            await connection.exec_driver_sql(failing)


async def test_a_number_out_of_range_is_rejected(postgres_database: Database) -> None:
    with pytest.raises(RejectedRows):
        async with postgres_database.transaction() as connection:
            await connection.execute(text("SELECT CAST(:number AS bigint)"), {"number": 2**70})


async def test_a_deadlock_is_an_outage(postgres_database: Database) -> None:
    locked = asyncio.Barrier(2)

    async def lock(first: int, second: int) -> None:
        async with postgres_database.transaction() as connection:
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({first})"))
            await locked.wait()
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({second})"))

    results = await asyncio.gather(lock(1, 2), lock(2, 1), return_exceptions=True)
    assert {type(result) for result in results} == {type(None), Deadlocked}
    assert issubclass(Deadlocked, StorageOutage)
