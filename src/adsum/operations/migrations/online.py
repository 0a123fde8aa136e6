"""Steps of migrations that run while other processes record attendance. On Postgres none holds a lock for long.

A revision with `ONLINE = True` runs outside of a transaction on Postgres: each statement is one of its own. After
an interruption it begins again, so each step has to do nothing if it is done already. On SQLite, which has one writer,
the revision is one transaction, like any other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa
from alembic import op

Result = TypeVar("Result")

SLICE = 500
# Instead of the limit of other statements: a large table takes minutes.
_LIMIT_S = 24 * 3600.0


def create_index(name: str, table: str, columns: Sequence[str], where: str) -> None:
    """Creates a partial index, unless there is one. Postgres lets rows be written meanwhile."""
    if not _is_postgres():
        op.create_index(name, table, list(columns), sqlite_where=sa.text(where), if_not_exists=True)
        return
    valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"
    is_valid = op.get_bind().scalar(sa.text(valid), {"name": name})
    if is_valid is False:  # it was interrupted
        drop_index(name)
    if not is_valid:
        _execute(f"CREATE INDEX CONCURRENTLY {name} ON {table} ({', '.join(columns)}) WHERE {where}")


def drop_index(name: str) -> None:
    """Drops an index, if there is one."""
    if _is_postgres():
        _execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
    else:
        op.execute(f"DROP INDEX IF EXISTS {name}")


def read(query: str) -> Sequence[Sequence[Any]]:
    """The rows of a query that may take minutes in a large database."""
    if not _is_postgres():
        return op.get_bind().execute(sa.text(query)).all()

    async def fetch(driver: Any) -> Sequence[Sequence[Any]]:
        rows: Sequence[Sequence[Any]] = await driver.fetch(query, timeout=_LIMIT_S)
        return rows

    return _with_driver(fetch)


def slices(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Rows in slices that one statement changes at once."""
    for i in range(0, len(rows), SLICE):
        yield rows[i : i + SLICE]


def _execute(statement: str) -> None:
    async def execute(driver: Any) -> None:
        await driver.execute(statement, timeout=_LIMIT_S)

    _with_driver(execute)


def _with_driver(work: Callable[[Any], Awaitable[Result]]) -> Result:
    """Calls `work` with the asyncpg connection, whose methods take a limit of their own."""
    adapter: Any = op.get_bind().connection.dbapi_connection
    result: Result = adapter.run_async(work)
    return result


def _is_postgres() -> bool:
    return op.get_bind().dialect.name == "postgresql"
