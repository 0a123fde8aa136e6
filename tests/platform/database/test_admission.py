"""While the database is slow, requests are refused early instead of waiting in a queue."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from sqlalchemy import text

from adsum.platform.database import admission
from adsum.platform.database.driver import driver_of
from adsum.platform.database.engine import Connection, Database, StorageOutage, open_database
from adsum.platform.errors import Overloaded
from tests.support.waiting import checked_out, until


async def read(database: Database) -> int:
    async with database.autocommit_read() as connection:
        return (await connection.execute(text("SELECT 1"))).scalar_one()


async def test_requests_are_refused_at_once_while_others_wait_too_long(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "REFUSE_AFTER_S", 0.05)
    database = open_database(postgres_url, connections=2)
    async with database.snapshot(), database.snapshot():
        waiting = asyncio.create_task(read(database))

        async def is_refused() -> bool:
            late = asyncio.create_task(read(database))
            await asyncio.wait([late], timeout=0.01)
            if not late.done():
                late.cancel()
                return False
            with pytest.raises(Overloaded):
                await late
            return True

        await until(is_refused)
        assert not waiting.done()
    assert await waiting == 1
    assert await read(database) == 1
    await database.close()


async def test_a_request_that_stops_waiting_holds_up_nobody(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admission, "REFUSE_AFTER_S", 0.0)
    database = open_database(postgres_url, connections=2)
    async with database.snapshot(), database.snapshot():
        waiting = asyncio.create_task(read(database))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert await read(database) == 1
    await database.close()


async def test_a_request_does_not_wait_for_a_connection_for_ever(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adsum.platform.database.pools.POOL_TIMEOUT_S", 0.05)
    database = open_database(postgres_url, connections=2)
    async with database.snapshot(), database.snapshot():
        with pytest.raises(StorageOutage):
            await read(database)
    await database.close()


async def backend(connection: Connection) -> int:
    """Returns the process of Postgres that serves the connection."""
    ((pid,),) = await driver_of(connection).fetch("SELECT pg_backend_pid()")
    return int(pid)


async def backend_of(database: Database) -> int:
    async with database.autocommit_read() as connection:
        return await backend(connection)


async def test_some_connections_stay_out_of_the_pool_until_the_database_is_closed(postgres_url: str) -> None:
    database = open_database(postgres_url, connections=8)
    async with AsyncExitStack() as stack:
        for _ in range(5):
            await stack.enter_async_context(database.snapshot())
        assert checked_out(database) == 5
    assert checked_out(database) == 2
    assert await backend_of(database) == await backend_of(database)
    assert checked_out(database) == 2
    await database.close()
    assert checked_out(database) == 0


async def test_a_connection_that_the_server_ended_is_replaced_and_so_are_the_others_that_are_kept(
    postgres_url: str,
) -> None:
    database, other = open_database(postgres_url, connections=8), open_database(postgres_url)
    async with database.snapshot() as first, database.snapshot() as second:
        ended = {await backend(first), await backend(second)}
    async with other.autocommit_read() as connection:
        for pid in ended:
            await connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    assert await backend_of(database) not in ended
    assert checked_out(database) == 1
    await database.close()
    await other.close()


async def test_a_connection_is_not_kept_while_a_request_waits_for_one(postgres_url: str) -> None:
    database = open_database(postgres_url, connections=4)
    async with AsyncExitStack() as stack:
        for _ in range(3):
            await stack.enter_async_context(database.snapshot())
        async with database.autocommit_read():
            waiting = asyncio.create_task(backend_of(database))
            await asyncio.sleep(0)
        await waiting
    await database.close()


async def test_a_connection_is_not_kept_after_an_error(postgres_url: str) -> None:
    database = open_database(postgres_url, connections=8)
    with pytest.raises(ZeroDivisionError):
        async with database.autocommit_read():
            raise ZeroDivisionError
    assert checked_out(database) == 0
    async with database.autocommit_read() as connection:
        await connection.execute(text("SELECT 1"))  # SQLAlchemy's transaction ends with its connection
    assert checked_out(database) == 0
    await database.close()
