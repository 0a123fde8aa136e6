"""The pools of connections of SQLAlchemy, to Postgres and to a file of SQLite.

Isolation levels are AUTOCOMMIT and None: only `adsum.platform.database.engine` begins transactions, neither SQLAlchemy
nor a driver.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from adsum.platform.database.connector import Connector, end_opening
from adsum.platform.database.driver import replace_ended
from adsum.platform.database.sqlite.cursor import OneVisitModule
from adsum.platform.database.urls import DatabaseUrl

BUSY_TIMEOUT_MS = 5000
SQLITE_SYNCHRONOUS = "FULL"  # a 202 survives a power cut
# Connections of one process to SQLite, and to Postgres unless a setting says another number.
SQLITE_CONNECTIONS = 10
CONNECTIONS = 20
# Of them, how many stay out of the pool between two uses: see `Admission`. As many flushes run at once: callers,
# submissions, statuses, chunks.
KEPT_CONNECTIONS = 4
# With a timeout a frozen server is an outage instead of a request that hangs.
STATEMENT_TIMEOUT_S = 30.0
POOL_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 5.0
# Postgres plans a prepared statement for the present size of the tables. In a new school year they are empty at first,
# and until autovacuum analyses them, nothing else invalidates the plan.
PLAN_LIFETIME_S = 20


class EnginePool(NamedTuple):
    """An engine, the number of its connections at most, and of those that stay out of its pool."""

    engine: AsyncEngine
    connections: int
    keeps: int


def postgres_pool(parsed: DatabaseUrl, connections: int) -> EnginePool:
    """At most `connections`; those above half of them are closed after use."""
    keeps = min(KEPT_CONNECTIONS, connections // 4)
    size = connections // 2 - keeps
    engine = create_async_engine(
        parsed.url,
        pool_size=size,
        max_overflow=connections - size,
        pool_timeout=POOL_TIMEOUT_S,
        isolation_level="AUTOCOMMIT",
        pool_use_lifo=True,  # the connection used last has most statements prepared
        connect_args={
            "command_timeout": STATEMENT_TIMEOUT_S,
            "max_cached_statement_lifetime": PLAN_LIFETIME_S,
            "server_settings": {"application_name": "adsum"},
        },
    )
    event.listen(engine.sync_engine, "do_connect", Connector(parsed, CONNECT_TIMEOUT_S).do_connect)
    event.listen(engine.sync_engine, "connect", end_opening)
    event.listen(engine.sync_engine, "checkout", replace_ended)
    return EnginePool(engine, connections, keeps)


def sqlite_pool(parsed: DatabaseUrl) -> EnginePool:
    """`SQLITE_CONNECTIONS`, each with a thread."""
    engine = create_async_engine(
        parsed.url,
        module=OneVisitModule(),
        pool_size=SQLITE_CONNECTIONS - KEPT_CONNECTIONS,
        max_overflow=KEPT_CONNECTIONS,
        pool_timeout=POOL_TIMEOUT_S,
        connect_args={"isolation_level": None, "timeout": BUSY_TIMEOUT_MS / 1000},
    )
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    return EnginePool(engine, SQLITE_CONNECTIONS, KEPT_CONNECTIONS)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    try:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute(f"PRAGMA synchronous = {SQLITE_SYNCHRONOUS}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA secure_delete = ON")  # overwrites deleted rows, which may be erased data
        cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        cursor.close()
    except BaseException:
        connection.close()  # otherwise SQLAlchemy leaks it and its thread
        raise
