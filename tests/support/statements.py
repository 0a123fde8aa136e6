"""Records the statements that a database receives, and returns their query plans."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from adsum.platform.database.driver import driver_of
from adsum.platform.database.engine import Connection, Database

Sent = list[tuple[str, Any]]
"""Statements with their parameters, in the order in which they were sent."""

Ask = Callable[[Connection], Awaitable[object]]
"""Sends statements in a transaction."""


@contextmanager
def statements_sent(database: Database) -> Generator[Sent]:
    """Collects statements sent in the block, by SQLAlchemy or directly. A statement for many rows counts as one."""
    sent: Sent = []
    drivers: set[Any] = set()

    def keep(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        sent.append((statement, parameters))

    def log(query: Any) -> None:
        sent.append((query.query, query.args))

    def listen(connection: Any, _record: object, _fairy: object) -> None:
        if database.is_postgres and connection.driver_connection not in drivers:
            drivers.add(connection.driver_connection)
            connection.driver_connection.add_query_logger(log)

    listeners = (("before_cursor_execute", keep), ("checkout", listen))
    for name, listener in listeners:
        event.listen(database.engine.sync_engine, name, listener)
    try:
        yield sent
    finally:
        for name, listener in listeners:
            event.remove(database.engine.sync_engine, name, listener)
        for driver in drivers:
            driver.remove_query_logger(log)


def count_of(sent: Sent, words: str) -> int:
    """Returns the number of statements that contain these words."""
    return sum(words in statement for statement, _ in sent)


async def plans_of(database: Database, ask: Ask) -> list[list[str]]:
    """The lines of the query plan of each statement; on Postgres without sequential scans where an index exists."""
    with statements_sent(database) as sent:
        async with database.transaction() as connection:
            # asyncpg logs a query in the next iteration of the event loop.
            await asyncio.sleep(0)
            sent.clear()
            await ask(connection)
            await asyncio.sleep(0)
            return [await _plan_of(connection, statement, values) for statement, values in list(sent)]


async def _plan_of(connection: Connection, statement: str, values: Any) -> list[str]:
    if connection.dialect.name == "sqlite":
        steps = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        return [step["detail"] for step in steps.mappings()]
    driver = driver_of(connection)
    await driver.execute("SET LOCAL enable_seqscan = off")
    return [line for (line,) in await driver.fetch(f"EXPLAIN {statement}", *values)]


def scanned(plan: list[str]) -> set[str]:
    """The tables that a query plan of SQLite scans."""
    return {line.split()[1] for line in plan if line.startswith("SCAN")}
