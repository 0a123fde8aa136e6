"""Tests the servers that all other tests use."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from adsum.platform.embedded.valkey import Valkey
from tests.support.fixtures import NewDatabase
from tests.support.servers.valkey import tell


async def tables_of(url: str) -> list[str]:
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        rows = await connection.execute(text("SELECT version_num FROM alembic_version"))
        found = [row[0] for row in rows]
    await engine.dispose()
    return found


async def test_a_database_is_migrated_on_sqlite_and_postgres(database_url: str) -> None:
    assert await tables_of(database_url)


async def test_a_test_gets_separate_databases(new_database: NewDatabase) -> None:
    assert new_database() != new_database()


def test_a_test_may_leave_a_key(valkey: Valkey, redis_url: str) -> None:
    assert tell(valkey, "DBSIZE") == ":0"
    assert tell(valkey, "SET left behind") == "+OK"


def test_the_next_test_does_not_see_the_left_key(valkey: Valkey, redis_url: str) -> None:
    assert tell(valkey, "DBSIZE") == ":0"
    assert tell(valkey, "SET left behind") == "+OK"
