"""Fixtures for real servers. Each pytest process has its own servers, each test its own data."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import sqlite3
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from adsum.platform.database import schema
from adsum.platform.database.engine import Database, open_database
from adsum.platform.embedded.valkey import Valkey
from adsum.platform.redis import connection
from adsum.platform.settings import Settings
from tests.support.servers.databases import Databases
from tests.support.servers.postgres import Postgres, copy_data, new_postgres, running_postgres, temporary_postgres
from tests.support.servers.processes import run_apart
from tests.support.servers.standby import StandbyPair, standby_pair
from tests.support.servers.valkey import tell, temporary_valkey, url_of
from tests.support.shared import made_once
from tests.support.waiting import connections_returned

TEMPLATE = "adsum_template"
UNPARTITIONED = "adsum_unpartitioned"
ONE_TABLE = "adsum_one_table"
REPLICATED = "adsum_replicated"
REQUEST_S = 10.0

NewDatabase = Callable[[], str]


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Hides the developer's ADSUM_ variables and `.env` from all tests."""
    for name in [name for name in os.environ if name.startswith("ADSUM_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def time_for_requests(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raises the deadline of Redis calls, since a slow test machine is not an outage. Tests with a Valkey of their own
    keep it: some of them stop or freeze it to test the deadline.
    """
    if "own_valkey" not in request.fixturenames:
        monkeypatch.setattr(connection, "REQUEST_DEADLINE_S", REQUEST_S)


@pytest.fixture(scope="session")
def valkey() -> Generator[Valkey]:
    with temporary_valkey() as server:
        yield server


@pytest.fixture(scope="session")
def valkey_url(valkey: Valkey) -> str:
    return url_of(valkey)


@pytest.fixture
def redis_url(valkey: Valkey) -> str:
    """An empty Valkey."""
    assert tell(valkey, "FLUSHALL") == "+OK"
    return url_of(valkey)


@pytest.fixture
def own_valkey() -> Generator[Valkey]:
    """A server for one test, which may stop it, change its configuration or count its commands."""
    with temporary_valkey() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of a stopped server. Its database `adsum_template` has the current schema, and `adsum_unpartitioned` the
    same with all records in one table, as versions before 0066 made it.
    """
    return made_once(tmp_path_factory, "postgres", _make_postgres_data)


@pytest.fixture(scope="session")
def postgres(postgres_data: Path) -> Generator[Postgres]:
    """A server with these data."""
    with temporary_postgres(postgres_data) as server:
        yield server


@pytest.fixture
def own_postgres(postgres_data: Path) -> Generator[Postgres]:
    """A server for one test, which may stop it."""
    with temporary_postgres(postgres_data) as server:
        yield server


@pytest.fixture(scope="session")
def standby_servers(postgres_data: Path) -> Generator[StandbyPair]:
    """Two servers with these data, the second a synchronous standby of the first, for tests that stop neither."""
    with standby_pair(postgres_data) as pair:
        asyncio.run(pair.start())  # not in a thread, with which the servers would end
        yield pair


@pytest.fixture
def replicated_pair(standby_servers: StandbyPair) -> Generator[StandbyPair]:
    """These servers with a migrated, empty database for one test, which may pause the replay."""
    with standby_servers.primary.postgres.database(REPLICATED, TEMPLATE):
        yield replace(standby_servers, database=REPLICATED)
        standby_servers.standby.postgres.run("SELECT pg_wal_replay_resume()")


def _make_postgres_data(path: Path) -> None:
    with new_postgres() as server:
        with running_postgres(server):
            for name, migrate in ((TEMPLATE, _migrate), (UNPARTITIONED, _migrate_without_partitions)):
                server.run(f"CREATE DATABASE {name}")
                migrate(server.url(name))
        copy_data(server.data, path)


@pytest.fixture(scope="session")
def postgres_databases(postgres: Postgres) -> Generator[Databases]:
    with closing(Databases(postgres, TEMPLATE)) as databases:
        yield databases


@pytest.fixture
def new_postgres_database(postgres: Postgres, postgres_databases: Databases) -> Generator[NewDatabase]:
    """Creates migrated, empty databases; each call returns the URL of another one. Reclaims them after the test."""
    taken: list[str] = []

    def take() -> str:
        taken.append(postgres_databases.take())
        return postgres.url(taken[-1])

    yield take
    for name in taken:
        postgres_databases.give_back(name)


@pytest.fixture
def unpartitioned_url(postgres: Postgres) -> Generator[str]:
    """A migrated, empty database of Postgres whose records are one table."""
    with postgres.database(ONE_TABLE, UNPARTITIONED) as url:
        yield url


@pytest.fixture
async def unpartitioned(unpartitioned_url: str) -> AsyncGenerator[Database]:
    """That database, open."""
    opened = open_database(unpartitioned_url)
    yield opened
    await opened.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the current schema."""
    return made_once(tmp_path_factory, "schema.db", _make_sqlite_file)


def _make_sqlite_file(path: Path) -> None:
    _migrate(f"sqlite+aiosqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@pytest.fixture
def new_sqlite_database(sqlite_template: Path, tmp_path: Path) -> NewDatabase:
    """Creates migrated, empty SQLite files; each call returns the URL of a new one."""
    numbers = itertools.count()

    def copy() -> str:
        path = tmp_path / f"adsum-{next(numbers)}.db"
        shutil.copy(sqlite_template, path)
        return f"sqlite+aiosqlite:///{path}"

    return copy


@pytest.fixture
def sqlite_url(new_sqlite_database: NewDatabase) -> str:
    return new_sqlite_database()


@pytest.fixture
def postgres_url(new_postgres_database: NewDatabase) -> str:
    return new_postgres_database()


@pytest.fixture(params=["sqlite", "postgres"])
def new_database(request: pytest.FixtureRequest) -> NewDatabase:
    """Creates migrated, empty databases; the test runs once on SQLite and once on Postgres."""
    make: NewDatabase = request.getfixturevalue(f"new_{request.param}_database")
    return make


@pytest.fixture
def database_url(new_database: NewDatabase) -> str:
    """A migrated, empty database; the test runs once on SQLite and once on Postgres."""
    return new_database()


@pytest.fixture
async def database(database_url: str) -> AsyncGenerator[Database]:
    """The open database; the test runs once on SQLite and once on Postgres."""
    opened = open_database(database_url)
    yield opened
    await connections_returned(opened)
    await opened.close()


@pytest.fixture
async def postgres_database(postgres_url: str) -> AsyncGenerator[Database]:
    opened = open_database(postgres_url)
    yield opened
    await connections_returned(opened)
    await opened.close()


def _migrate(url: str) -> None:
    from adsum.wiring import migrate  # noqa: PLC0415 - imported only if a test needs a database

    run_apart(migrate(Settings(database_url=url)))


def _migrate_without_partitions(url: str) -> None:
    async def migrate() -> None:
        database = open_database(url)
        await schema.migrate(database)
        await database.close()

    run_apart(migrate())
