"""Postgres with a synchronous standby: connections follow the primary, and nothing is shown that the standby lacks."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select

from adsum.platform.database import pools
from adsum.platform.database.engine import Database, StorageOutage, open_database
from adsum.platform.errors import ConfigurationError
from adsum.platform.retries import retry_forever
from adsum.schools.tables import schools
from tests.support.fixtures import TEMPLATE
from tests.support.servers.postgres import Postgres, temporary_postgres
from tests.support.servers.processes import eventually
from tests.support.servers.standby import StandbyPair, standby_pair
from tests.support.waiting import until

FAILED_OVER_S = 30
OF_WAITING = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
WAITING = f"SELECT count(*) {OF_WAITING}"


async def add_school(database: Database, name: str) -> None:
    async with database.transaction() as connection:
        await connection.execute(insert(schools).values(name=name, time_zone="UTC"))


async def count(database: Database) -> int:
    async with database.snapshot() as connection:
        return (await connection.execute(select(func.count()).select_from(schools))).scalar_one()


@pytest.fixture
async def pair(postgres_data: Path) -> AsyncGenerator[StandbyPair]:
    with standby_pair(postgres_data, TEMPLATE) as started:
        await started.start()
        yield started


async def test_a_database_is_the_server_of_several_that_accepts_writes(pair: StandbyPair) -> None:
    database = open_database(pair.url)
    await database.require_connection()
    await add_school(database, "before")
    await pair.primary.server.down()
    new = open_database(pair.url)
    with pytest.raises(ConfigurationError) as refused:
        await new.require_connection()
    await new.close()
    port = pair.standby.postgres.port
    assert f"127.0.0.1:{port} is a standby" in refused.value.detail
    assert "[Errno 111] Connection refused" in refused.value.detail
    alone = open_database(f"postgresql://postgres@127.0.0.1:{port}/{TEMPLATE}?target_session_attrs=primary")
    with pytest.raises(ConfigurationError, match="the host accepts no writes: it is a standby"):
        await alone.require_connection()
    await alone.close()
    await pair.promote()
    async with asyncio.timeout(FAILED_OVER_S):
        await retry_forever(add_school, database, "after")
    assert await count(database) == 2
    await database.close()


@pytest.mark.long
async def test_a_host_that_does_not_answer_leaves_time_for_the_others(pair: StandbyPair) -> None:
    """The machine of the first host is gone: it refuses no connection."""
    pair.primary.server.send(signal.SIGSTOP)
    await pair.promote()
    database = open_database(pair.url)
    await database.require_connection()
    await add_school(database, "after")
    await database.close()


@pytest.fixture(scope="module")
def durable_postgres(postgres_data: Path) -> Generator[Postgres]:
    with temporary_postgres(postgres_data, durable=True) as server:
        yield server


@pytest.fixture
async def lonely_postgres(durable_postgres: Postgres) -> AsyncGenerator[Postgres]:
    """A primary whose commits wait for a standby that is away. It has no school."""
    durable_postgres.ask(TEMPLATE, "DELETE FROM schools")
    names = "ALTER SYSTEM SET synchronous_standby_names = 'away'"
    durable_postgres.ask("postgres", names, "SELECT pg_reload_conf()")
    # Sessions wait once the checkpointer, a process of its own, has read the setting too.
    while not await _waits_for_standby(durable_postgres):
        pass
    yield durable_postgres
    _give_up_standby(durable_postgres)


async def _waits_for_standby(server: Postgres) -> bool:
    """Whether a commit waits. It is then cancelled."""
    commit = "SELECT pg_logical_emit_message(true, 'test', '')"
    committing = asyncio.create_task(asyncio.to_thread(server.ask, "postgres", commit))
    await eventually(lambda: committing.done() or server.ask("postgres", WAITING) == "1\n")
    is_waiting = not committing.done()

    def has_ended() -> bool:
        # A wait is not seen, and not cancelled, in the moment in which its process reads settings again.
        server.ask("postgres", f"SELECT pg_cancel_backend(pid) {OF_WAITING}")
        return committing.done()

    await eventually(has_ended)
    return is_waiting


def _give_up_standby(server: Postgres) -> None:
    server.ask("postgres", "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")


@pytest.mark.parametrize("writing", ["transaction", "autocommit_write"])
async def test_a_commit_that_waits_for_the_standby_is_not_shown_when_its_time_is_over(
    lonely_postgres: Postgres, writing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """asyncpg would cancel the wait: then the row is committed, and lost with the primary."""
    monkeypatch.setattr(pools, "STATEMENT_TIMEOUT_S", 0.3)
    database = open_database(lonely_postgres.url(TEMPLATE))
    with pytest.raises(StorageOutage):
        async with getattr(database, writing)() as connection:
            await connection.execute(insert(schools).values(name="waits", time_zone="UTC"))
    assert await count(database) == 0
    await database.close()
    assert lonely_postgres.ask(TEMPLATE, "SELECT count(*) FROM schools") == "0\n"
    _give_up_standby(lonely_postgres)
    await eventually(lambda: lonely_postgres.ask(TEMPLATE, "SELECT count(*) FROM schools") == "1\n")


async def test_a_cancelled_caller_does_not_cancel_the_wait_for_the_standby(lonely_postgres: Postgres) -> None:
    database = open_database(lonely_postgres.url(TEMPLATE))
    adding = asyncio.create_task(add_school(database, "waits"))
    await eventually(lambda: lonely_postgres.ask("postgres", WAITING) == "1\n")
    adding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adding
    assert await count(database) == 0
    _give_up_standby(lonely_postgres)
    await database.close()


async def test_a_row_that_the_standby_may_lack_is_confirmed_by_waiting_for_it(
    lonely_postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pools, "STATEMENT_TIMEOUT_S", 0.3)
    database = open_database(lonely_postgres.url(TEMPLATE))
    with pytest.raises(StorageOutage):
        async with database.autocommit_read() as connection:
            await database.wait_for_standby(connection)
    _give_up_standby(lonely_postgres)

    async def confirm() -> None:
        async with database.autocommit_read() as connection:
            await database.wait_for_standby(connection)

    await retry_forever(confirm)
    await database.close()


async def test_a_statement_that_is_no_commit_is_cancelled(
    postgres_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def wait() -> None:
        async with postgres_database.autocommit_read() as connection:
            await connection.exec_driver_sql("SELECT pg_sleep(60)")

    waiting = asyncio.create_task(wait())
    sleeps = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"

    async def is_asleep() -> bool:
        async with postgres_database.autocommit_read() as connection:
            return bool((await connection.exec_driver_sql(sleeps)).scalar_one())

    async def is_awake() -> bool:
        return not await is_asleep()

    await until(is_asleep)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await until(is_awake)
