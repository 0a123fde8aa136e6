"""Statements that are compiled once, and executed by the driver directly. asyncpg keeps them prepared.

SQLAlchemy takes several times as long to compile and execute a statement as the database takes to reply. Therefore the
compiled text is cached, and the driver executes it on SQLAlchemy's connection, within the same transaction. See
docs/decisions/0016.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from sqlalchemy import Executable, SelectBase
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.dialects.sqlite import aiosqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from adsum.platform.database.driver import driver_of, sqlite_driver
from adsum.platform.database.sqlite.cursor import execute_many, fetch

Convert: TypeAlias = Callable[[Any], Any]
Rows: TypeAlias = Sequence[Sequence[Any]]


class Statement:
    """One statement for both databases. `make` builds it for a dialect, `sqlite` or `postgresql`."""

    def __init__(self, make: Callable[[str], Executable]) -> None:
        self._make = make

    async def fetch_all(self, connection: AsyncConnection, values: Mapping[str, Any]) -> Rows:
        """Executes the statement and returns its rows."""
        if connection.dialect.name == "sqlite":
            compiled = self._for_sqlite
            rows = await fetch(sqlite_driver(connection), compiled.text, compiled.in_order(values))
        else:
            compiled = self._for_postgres
            rows = await driver_of(connection).fetch(compiled.text, *compiled.in_order(values))
        return compiled.converted(rows)

    async def execute_many(self, connection: AsyncConnection, values: Sequence[Mapping[str, Any]]) -> None:
        """Executes the statement once for each mapping of values, in one round trip."""
        if connection.dialect.name == "sqlite":
            compiled = self._for_sqlite
            rows = [compiled.in_order(each) for each in values]
            await execute_many(sqlite_driver(connection), compiled.text, rows)
        else:
            compiled = self._for_postgres
            await driver_of(connection).executemany(compiled.text, [compiled.in_order(each) for each in values])

    @cached_property
    def _for_sqlite(self) -> _Compiled:
        return _compiled(self._make("sqlite"), aiosqlite.dialect())

    @cached_property
    def _for_postgres(self) -> _Compiled:
        return _compiled(self._make("postgresql"), asyncpg.dialect())


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A statement compiled for one database.

    Attributes:
        text: the SQL with parameters: `$1`, `$2` … or `?`.
        names: the names of the parameters in this order, each with the conversion of its value.
        fixed: the values that are part of the statement.
        columns: the conversion of each column of a row; None: no conversion.
    """

    text: str
    names: Sequence[tuple[str, Convert | None]]
    fixed: Mapping[str, Any]
    columns: Sequence[Convert | None]

    def in_order(self, values: Mapping[str, Any]) -> list[Any]:
        found = {**self.fixed, **values}
        return [found[name] if convert is None else convert(found[name]) for name, convert in self.names]

    def converted(self, rows: Iterable[Sequence[Any]]) -> Rows:
        if not any(self.columns):
            return list(rows)
        return [
            [value if convert is None else convert(value) for value, convert in zip(row, self.columns, strict=True)]
            for row in rows
        ]


def _compiled(statement: Any, dialect: Dialect) -> _Compiled:
    compiled = statement.compile(dialect=dialect)
    binds = compiled.binds
    return _Compiled(
        str(compiled),
        [(name, _bind_conversion(binds[name].type, dialect)) for name in compiled.positiontup],
        {name: bind.value for name, bind in binds.items() if not bind.required},
        [_result_conversion(each.type, dialect) for each in statement.selected_columns]
        if isinstance(statement, SelectBase)
        else [],
    )


def _bind_conversion(kind: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _result_conversion(kind: TypeEngine[Any], dialect: Dialect) -> Convert | None:
    return kind.dialect_impl(dialect).result_processor(dialect, None)
