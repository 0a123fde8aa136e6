"""PgBouncer in transaction mode: each transaction gets any of a few connections to Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator

import pytest
from sqlalchemy import insert, select, text

from adsum.platform.database import connector
from adsum.platform.database.engine import Database, open_database
from adsum.platform.database.table_changes import refuse_pooler, schema_locked
from adsum.platform.errors import ConfigurationError
from adsum.platform.settings import Settings
from adsum.schools.tables import schools
from adsum.wiring import migrate
from tests.support.servers.pgbouncer import PgBouncer, needs_pgbouncer, running_pgbouncer
from tests.support.servers.postgres import Postgres

pytestmark = needs_pgbouncer

# What its users commonly set, because a driver sends other settings than PgBouncer keeps apart.
EMPTY = "adsum_behind_pooler"
IGNORING = "ignore_startup_parameters = idle_in_transaction_session_timeout, client_connection_check_interval"


@pytest.fixture(scope="module", params=["", IGNORING], ids=["refuses settings", "ignores settings"])
def pgbouncer(request: pytest.FixtureRequest, postgres: Postgres) -> Generator[PgBouncer]:
    with running_pgbouncer(postgres, settings=request.param) as pooler:
        yield pooler


@pytest.fixture
async def pooled(postgres_url: str, pgbouncer: PgBouncer) -> AsyncGenerator[Database]:
    opened = open_database(pgbouncer.url(postgres_url))
    yield opened
    await opened.close()


async def test_a_pooler_is_recognised(pooled: Database, postgres_database: Database) -> None:
    assert await pooled.is_pooled()
    assert not await postgres_database.is_pooled()


async def test_many_clients_share_few_connections(pooled: Database) -> None:
    """The same statements of many clients at once: each prepares its own, on whichever connection it gets."""
    names = [f"school {number}" for number in range(40)]

    async def write_and_read(name: str, number: int) -> list[str]:
        writing = pooled.autocommit_write if number % 2 else pooled.transaction
        async with writing() as connection:
            await connection.execute(insert(schools).values(name=name, time_zone="UTC"))
        reading = pooled.autocommit_read if number % 2 else pooled.snapshot
        async with reading() as connection:
            found = await connection.scalars(select(schools.c.name).where(schools.c.name == name))
            more = await connection.scalars(select(schools.c.time_zone).where(schools.c.name == name))
            return [*found, *more]

    found = await asyncio.gather(*(write_and_read(name, number) for number, name in enumerate(names)))
    assert found == [[name, "UTC"] for name in names]


async def test_no_setting_outlives_its_transaction(pooled: Database) -> None:
    show = text("SELECT current_setting('idle_in_transaction_session_timeout')")
    async with pooled.transaction() as connection:
        assert await connection.scalar(show) == "10s"
    async with pooled.snapshot() as connection:
        await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '7s'"))
    async with pooled.engine.connect() as connection:
        replies = [await connection.scalar(show) for _ in range(6)]
    assert replies == ["0"] * 6


async def test_a_server_that_cannot_notice_clients_that_leave_is_used_all_the_same(
    postgres_url: str, pgbouncer: PgBouncer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connector, "CLIENT_CHECK_INTERVAL_S", 10**9)  # refused by every server, with the same error
    pooled = open_database(pgbouncer.url(postgres_url))
    async with pooled.transaction() as connection:
        assert await connection.scalar(text("SELECT current_setting('idle_in_transaction_session_timeout')")) == "10s"
    assert not await pooled.ends_left_statements()
    await pooled.close()


async def test_migrations_need_a_connection_to_postgres_itself(
    postgres: Postgres, postgres_url: str, pgbouncer: PgBouncer
) -> None:
    """They hold a lock for several transactions, and create indexes outside of one."""
    assert await migrate(Settings(database_url=pgbouncer.url(postgres_url))) == 0
    with postgres.database(EMPTY) as empty, pytest.raises(ConfigurationError, match="names Postgres itself"):
        await migrate(Settings(database_url=pgbouncer.url(empty)))


async def test_partitions_of_present_records_need_a_connection_to_postgres_itself(pooled: Database) -> None:
    with pytest.raises(ConfigurationError, match="adsum year partition"):
        await refuse_pooler(pooled, "adsum year partition")


async def test_the_lock_of_the_schema_is_held_and_released_behind_a_pooler(pooled: Database) -> None:
    """The worker makes the partitions of the next year with it."""
    for _ in range(2):
        async with schema_locked(pooled), pooled.transaction() as connection:
            assert await connection.scalar(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")) == 1
