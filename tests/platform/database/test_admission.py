"""While the database is slow, requests are refused early instead of waiting in a queue."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from adsum.platform.database import admission
from adsum.platform.database.engine import Database, StorageOutage, open_database
from adsum.platform.errors import Overloaded
from tests.support.waiting import until


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
    monkeypatch.setattr("adsum.platform.database.engine.POOL_TIMEOUT_S", 0.05)
    database = open_database(postgres_url, connections=2)
    async with database.snapshot(), database.snapshot():
        with pytest.raises(StorageOutage):
            await read(database)
    await database.close()
