"""The cursor of SQLite: a statement visits the thread of its connection once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from sqlite3 import OperationalError as OperationalErrorOfDriver
from threading import Event
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.platform.database.driver import is_ready, sqlite_driver
from adsum.platform.database.engine import Database, open_database
from adsum.platform.database.sqlite.cursor import fetch
from adsum.schools.tables import schools

INSERT_WITHOUT_END = "INSERT INTO schools (name, time_zone) SELECT begun() + i, 'UTC' FROM n"


@pytest.fixture
async def database(sqlite_url: str) -> AsyncGenerator[Database]:
    opened = open_database(sqlite_url)
    yield opened
    await opened.close()


def count_visits(connection: AsyncConnection) -> list[Callable[..., Any]]:
    """Collects the visits of the thread of the connection."""
    sync_connection = connection.sync_connection
    assert sync_connection is not None
    driver: Any = sync_connection.connection.driver_connection
    visits: list[Callable[..., Any]] = []
    execute = driver._execute

    async def counted(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        visits.append(function)
        return await execute(function, *args, **kwargs)

    driver._execute = counted
    return visits


async def test_each_statement_visits_the_thread_once(database: Database) -> None:
    async with database.transaction() as connection:
        visits = count_visits(connection)
        added = insert(schools).returning(schools.c.id)
        ids = (await connection.scalars(added, [{"name": f"School {n}", "time_zone": "UTC"} for n in range(3)])).all()
        found = (await connection.execute(select(schools.c.name).order_by(schools.c.id))).all()
        changed = await connection.execute(update(schools).where(schools.c.id >= ids[1]).values(name="Same"))
        assert len(visits) == 3
        assert [name for (name,) in found] == ["School 0", "School 1", "School 2"]
        assert changed.rowcount == 2
        named = [{"name": "a", "id": id_} for id_ in ids]
        await connection.execute(text("UPDATE schools SET name = :name WHERE id = :id"), named)
        assert len(visits) == 4
    async with database.snapshot() as connection:
        assert list(await connection.scalars(select(schools.c.name))) == ["a", "a", "a"]


async def test_a_failed_statement_says_why_and_leaves_the_connection_usable(database: Database) -> None:
    async with database.engine.connect() as connection:
        with pytest.raises(OperationalError, match="no such table"):
            await connection.execute(text("SELECT 1 FROM missing"))
        with pytest.raises(IntegrityError):
            await connection.execute(text("INSERT INTO schools (name, time_zone) VALUES (NULL, 'UTC')"))
        assert await connection.scalar(text("SELECT 1")) == 1


async def test_a_result_is_read_in_parts_as_a_whole_or_not_at_all(database: Database) -> None:
    numbers = text("SELECT value FROM json_each('[1, 2, 3, 4]')")
    async with database.snapshot() as connection:
        result = await connection.execute(numbers)
        assert result.keys() == ["value"]
        assert [result.fetchone(), *result.fetchmany(2)] == [(1,), (2,), (3,)]
        result.close()
        streamed = await connection.stream(numbers)
        assert [row[0] async for row in streamed] == [1, 2, 3, 4]


@pytest.mark.parametrize("statement", ["SELECT sum(begun() + i) FROM n", INSERT_WITHOUT_END])
async def test_a_cancelled_statement_is_interrupted_and_its_transaction_rolled_back(
    database: Database, statement: str
) -> None:
    begun = Event()

    async def add_schools() -> None:
        async with database.transaction() as connection:
            driver: Any = sqlite_driver(connection)
            await driver.create_function("begun", 0, lambda: begun.set() or 0)
            await connection.execute(insert(schools).values(name="Lindenhof", time_zone="UTC"))
            await connection.execute(
                text(f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) {statement}")
            )

    adding = asyncio.create_task(add_schools())
    await asyncio.to_thread(begun.wait)
    adding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adding
    async with database.transaction() as connection:
        assert list(await connection.scalars(select(schools.c.name))) == []


async def test_a_statement_that_has_not_begun_is_not_executed_after_a_cancellation_which_interrupts_its_neighbour(
    database: Database,
) -> None:
    begun, goes_on = Event(), Event()

    def wait() -> int:
        begun.set()
        goes_on.wait()
        return 0

    async with database.transaction() as connection:
        driver: Any = sqlite_driver(connection)
        await driver.create_function("wait", 0, wait)
        endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(wait() + i) FROM n"
        neighbour = asyncio.create_task(fetch(driver, endless))
        await asyncio.to_thread(begun.wait)
        adding = asyncio.create_task(fetch(driver, "INSERT INTO schools (name, time_zone) VALUES ('x', 'UTC')"))
        await asyncio.sleep(0)
        adding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await adding
        goes_on.set()
        with pytest.raises(OperationalErrorOfDriver, match="interrupted"):
            await neighbour
        assert list(await connection.scalars(select(schools.c.name))) == []


async def test_a_connection_that_was_closed_below_its_user_is_not_ready(database: Database) -> None:
    async with database.engine.connect() as connection:
        assert is_ready(connection)
        await sqlite_driver(connection).close()
        assert not is_ready(connection)
        await connection.invalidate()
