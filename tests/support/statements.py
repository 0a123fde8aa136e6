"""Records the statements that a database receives, and returns their query plans."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import pytest
from sqlalchemy import event

from adsum.platform.database import statements
from adsum.platform.database.driver import Driver, UncancelledCommits, driver_of
from adsum.platform.database.engine import Connection, Database
from adsum.platform.database.sqlite.cursor import execute_many, fetch

# For classes of some hundred: comparing each student with each handles as many rows for each as there are students.
ROWS_FOR_EACH = 20

Sent = list[tuple[str, Any]]
"""Statements with their parameters, in the order in which they were sent."""

Ask = Callable[[Connection], Awaitable[object]]
"""Sends statements in a transaction."""


@contextmanager
def statements_sent(database: Database) -> Generator[Sent]:
    """Collects statements sent in the block, by SQLAlchemy or directly. A statement for many rows counts as one."""
    sent: Sent = []

    def keep(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        sent.append((statement, parameters))

    event.listen(database.engine.sync_engine, "before_cursor_execute", keep)
    directly = _sent_to_postgres if database.is_postgres else _sent_to_sqlite
    try:
        with directly(database, sent):
            yield sent
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", keep)


@contextmanager
def _sent_to_postgres(database: Database, sent: Sent) -> Generator[None]:
    drivers: set[Any] = set()

    def log(query: Any) -> None:
        sent.append((query.query, query.args))

    def listen(driver: Any) -> None:
        if driver not in drivers:
            drivers.add(driver)
            driver.add_query_logger(log)

    def checked_out(connection: Any, _record: object, _fairy: object) -> None:
        listen(connection.driver_connection)

    for each in database.admission.kept:
        listen(driver_of(each))
    event.listen(database.engine.sync_engine, "checkout", checked_out)
    try:
        yield
    finally:
        event.remove(database.engine.sync_engine, "checkout", checked_out)
        for driver in drivers:
            driver.remove_query_logger(log)


@contextmanager
def _sent_to_sqlite(_database: Database, sent: Sent) -> Generator[None]:
    async def log_one(connection: Any, sql: str, values: Sequence[Any] = ()) -> list[Sequence[Any]]:
        sent.append((sql, tuple(values)))
        return await fetch(connection, sql, values)

    async def log_many(connection: Any, sql: str, values: Sequence[Sequence[Any]]) -> None:
        sent.append((sql, values))
        await execute_many(connection, sql, values)

    with pytest.MonkeyPatch.context() as listening:
        listening.setattr(statements, "fetch", log_one)
        listening.setattr(statements, "execute_many", log_many)
        yield


async def queries_logged() -> None:
    """Returns after the next iteration of the event loop, in which asyncpg logs the queries before."""
    await asyncio.sleep(0)


def count_of(sent: Sent, words: str) -> int:
    """Returns the number of statements that contain these words."""
    return sum(words in statement for statement, _ in sent)


async def plans_of(database: Database, ask: Ask) -> list[list[str]]:
    """The lines of the query plan of each statement; on Postgres without sequential scans where an index exists."""
    with statements_sent(database) as sent:
        async with database.transaction() as connection:
            await queries_logged()
            sent.clear()
            await ask(connection)
            await queries_logged()
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


@contextmanager
def rows_handled(database: Database) -> Generator[dict[str, int]]:
    """Collects the statements of transactions in the block, each with the number of rows that the busiest step of its
    plan handles. Postgres only: it explains each statement in a savepoint before it is executed, without sequential
    scans where an index exists, as for tables of any size.
    """
    handled: dict[str, int] = {}
    fetch = cast("Any", UncancelledCommits).fetch

    def note(statement: str, plan: Any) -> None:
        handled[statement] = max(handled.get(statement, 0), *_rows_of_steps(plan[0]["Plan"]))

    async def explain_directly(driver: Driver, query: str, *args: Any, **options: Any) -> Any:
        if driver.is_in_transaction():
            await driver.execute(f"SAVEPOINT {_EXPLAINED}; SET LOCAL enable_seqscan = off")
            ((plan,),) = await fetch(driver, f"{_EXPLAIN} {query}", *args)
            await driver.execute(f"ROLLBACK TO SAVEPOINT {_EXPLAINED}")
            note(query, plan)
        return await fetch(driver, query, *args, **options)

    def explain(connection: Any, _cursor: object, statement: str, parameters: Any, *rest: Any) -> None:
        is_alone = not rest[-1] and connection.connection.driver_connection.is_in_transaction()
        if is_alone and statement.startswith(("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")):
            cursor = connection.connection.cursor()
            cursor.execute(f"SAVEPOINT {_EXPLAINED}")
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"{_EXPLAIN} {statement}", parameters)
            ((plan,),) = cursor.fetchall()
            cursor.execute(f"ROLLBACK TO SAVEPOINT {_EXPLAINED}")
            note(statement, plan)

    event.listen(database.engine.sync_engine, "before_cursor_execute", explain)
    try:
        with pytest.MonkeyPatch.context() as explaining:
            explaining.setattr(UncancelledCommits, "fetch", explain_directly)
            yield handled
    finally:
        event.remove(database.engine.sync_engine, "before_cursor_execute", explain)


def too_many(handled: Mapping[str, int], students: int) -> list[tuple[int, str]]:
    """The statements that handle more rows than a number of students needs: those that compare each with each."""
    return [(rows, statement) for statement, rows in handled.items() if rows > ROWS_FOR_EACH * students]


_EXPLAIN = "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON)"
_EXPLAINED = "explained"
_REMOVED = ("Rows Removed by Filter", "Rows Removed by Join Filter", "Rows Removed by Index Recheck")


def _rows_of_steps(step: dict[str, Any]) -> Iterator[int]:
    """The number of rows that a step of a plan and those below it return or drop, in all of their loops."""
    rows = step["Actual Rows"] + sum(step.get(name, 0) for name in _REMOVED)
    yield round(rows * step["Actual Loops"])
    for below in step.get("Plans", ()):
        yield from _rows_of_steps(below)
