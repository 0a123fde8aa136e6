"""Partitions a table that has rows, while others read and write it.

The table becomes the partition of all days up to now, and a new table of its name takes its place. No row moves and no
index is built. Each step that reads the rows lets them be written; what locks the table changes catalogs alone, and
gives way after half a second. An interrupted conversion is repeated from its beginning.

Beside a conversion, a check refuses rows of days after the present school year. It must not outlive the conversion: one
that fails removes it, and after a process that was killed `adsum migrate` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from functools import partial

from sqlalchemy import Table, Update, func, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.platform.database.contention import repeats_if_contended
from adsum.platform.database.engine import Connection, Database
from adsum.platform.database.partitions import (
    AHEAD,
    DAY,
    OTHER,
    add_partition,
    copy_rights,
    is_partitioned,
    new_table,
    next_year,
)
from adsum.platform.database.revision import PARTITIONED_FROM, schema_compatibility
from adsum.platform.database.table_changes import between_others, execute_long, fetch_long, refuse_pooler, schema_locked
from adsum.platform.telemetry import logger

SLICE = 500
# Marks are not entered for later days than today. This is far more than a conversion takes.
_MARGIN = timedelta(days=31)

# The day of a change by a process that names none. It is before each end.
_UNKNOWN = "DATE '-infinity'"

_INDEXES = text(
    "SELECT i.relname, pg_get_indexdef(i.oid), c.contype, pg_get_constraintdef(c.oid) FROM pg_index x "
    "JOIN pg_class i ON i.oid = x.indexrelid "
    "LEFT JOIN pg_constraint c ON c.conindid = i.oid AND c.conrelid = x.indrelid "
    "WHERE x.indrelid = to_regclass(:table) ORDER BY i.relname"
)
_FOREIGN_KEYS = text(
    "SELECT conname, pg_get_constraintdef(oid), confrelid::regclass::text FROM pg_constraint "
    "WHERE conrelid = to_regclass(:table) AND contype = 'f' ORDER BY conname"
)
_SEQUENCE = text(
    "SELECT pg_get_serial_sequence(:table, attname) FROM pg_attribute "
    "WHERE attrelid = to_regclass(:table) AND attname = 'id'"
)
# Of tables in the schema of the connection alone: other installations may share the database.
_CHECKS = text(
    "SELECT c.conname FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid "
    "WHERE c.conname = ANY(:names) AND pg_table_is_visible(t.oid) ORDER BY c.conname"
)

log = logger(__name__)


class Partitioning:
    """Partitions two tables by school year: records, which have a day, and their changes, which copy it.

    Args:
        database: of the revision of this version.
        records: the table whose rows have a day.
        changes: a table with a foreign key to `records`, in which older rows lack the day.
        first_month: in which a school year begins.
    """

    def __init__(self, database: Database, records: Table, changes: Table, first_month: int) -> None:
        self._database = database
        self._records = records
        self._changes = changes
        self._tables = (records, changes)
        self._month = first_month
        self._has_no_day = or_(changes.c[DAY].is_(None), changes.c[DAY] == text(_UNKNOWN))

    async def partition(self, today: date) -> bool:
        """Partitions both tables. Returns False if they are partitioned already.

        Processes of versions before `PARTITIONED_FROM` must have ended: from now on they neither start nor are ready.

        Raises:
            LockTimeout: some transaction used a table each time, for minutes.
            StorageOutage: another process migrates, or the database does not answer.
            ConfigurationError: a pooler is in front of the database.
        """
        await refuse_pooler(self._database, "adsum year partition")
        async with schema_locked(self._database) as connection:
            if await is_partitioned(connection, self._records):
                await self._fill_unknown(connection)
                return False
            await connection.execute(_raise_compatibility())
            if not await between_others(self._database, lambda transaction: self._exchange_empty(transaction, today)):
                await self._exchange_filled(connection, today)
                await self._fill_unknown(connection)
            for table in self._tables:
                await execute_long(connection, f"ANALYZE {table.name}")
        log.info("records are partitioned")
        return True

    async def remove_checks(self) -> bool:
        """Removes the checks of a conversion whose process was killed. Returns whether there were any.

        Raises:
            LockTimeout, StorageOutage: see `partition`. A conversion that is running counts as a migration.
        """
        async with schema_locked(self._database) as connection:
            return await self._remove_checks(connection)

    async def _exchange_empty(self, connection: Connection, today: date) -> bool:
        """Partitions tables that have no row, without a check. Returns False if they have one."""
        c = self._records.c
        if await connection.scalar(select(c.id).limit(1)) is not None:
            return False
        await self._lock(connection)
        if await connection.scalar(select(c.id).limit(1)) is not None:
            return False
        await self._exchange(connection, self._year_after(today - timedelta(days=366)), today)
        return True

    async def _exchange_filled(self, connection: AsyncConnection, today: date) -> None:
        """Partitions tables of any size. Their checks are removed, even if it fails."""
        try:
            newest: date | None = await fetch_long(connection, str(select(func.max(self._records.c[DAY]))))
            end = self._year_after(max(newest or today, today + _MARGIN))
            await between_others(self._database, self._set_default)
            await self._fill_days()
            for table in self._tables:
                await self._check(connection, table, end)
            await between_others(self._database, lambda transaction: self._exchange(transaction, end, today))
        finally:
            await self._remove_checks(connection)

    async def _remove_checks(self, connection: AsyncConnection) -> bool:
        left = await left_checks(connection, self._tables)
        for table in self._tables:
            if _check_of(table) in left:
                # Each alone: another one may be in use.
                await between_others(self._database, partial(_remove_check, table=table))
        if left:
            log.warning("the checks of a conversion that failed are removed", list=left)
        return bool(left)

    def _year_after(self, day: date) -> date:
        """The first day of the next school year after a day."""
        end = date(day.year, self._month, 1)
        return end if end > day else next_year(end)

    async def _set_default(self, connection: Connection) -> None:
        """From now on older processes, which do not name the day, write one that the check lets pass."""
        await connection.execute(text(f"ALTER TABLE {self._changes.name} ALTER {DAY} SET DEFAULT {_UNKNOWN}"))

    async def _fill_unknown(self, connection: AsyncConnection) -> None:
        """Sets the day of changes that older processes have written beside the conversion, or since."""
        c, r = self._changes.c, self._records.c
        filled = update(self._changes).where(r.id == c.attendance_id, self._has_no_day).values({DAY: r[DAY]})
        await execute_long(connection, str(filled.compile(dialect=connection.dialect)))

    async def _fill_days(self) -> None:
        """Sets the day of older changes, a page at a time."""
        after: int | None = 0
        while after is not None:
            after = await self._fill_page(after)

    @repeats_if_contended
    async def _fill_page(self, after: int) -> int | None:
        c, r = self._changes.c, self._records.c
        page = select(c.attendance_id).where(c.attendance_id > after).order_by(c.attendance_id).limit(SLICE).subquery()
        async with self._database.transaction() as connection:
            last: int | None = await connection.scalar(select(func.max(page.c.attendance_id)))
            if last is not None:
                within = (c.attendance_id > after, c.attendance_id <= last, self._has_no_day)
                filled = update(self._changes).where(*within, r.id == c.attendance_id).values({DAY: r[DAY]})
                await connection.execute(filled)
        return last

    async def _check(self, connection: AsyncConnection, table: Table, end: date) -> None:
        """Proves that all rows are of days before `end`, so that nobody waits for it when the table is attached."""
        name = _check_of(table)
        condition = f"{DAY} IS NOT NULL AND {DAY} < '{end}'"

        async def add(transaction: Connection) -> None:
            await transaction.execute(text(f"ALTER TABLE {table.name} DROP CONSTRAINT IF EXISTS {name}"))
            await transaction.execute(
                text(f"ALTER TABLE {table.name} ADD CONSTRAINT {name} CHECK ({condition}) NOT VALID")
            )

        await between_others(self._database, add)
        await execute_long(connection, f"ALTER TABLE {table.name} VALIDATE CONSTRAINT {name}")

    async def _exchange(self, connection: Connection, end: date, today: date) -> None:
        """Puts partitioned tables in the place of the present ones, in a transaction that changes catalogs alone."""
        await self._lock(connection)
        for table in (self._changes, self._records):
            await self._exchange_one(connection, table, end)
        for table in self._tables:
            first = end
            while first <= today + AHEAD:
                await add_partition(connection, table, first)
                first = next_year(first)

    async def _lock(self, connection: Connection) -> None:
        for table in self._tables:
            await connection.execute(text(f"LOCK TABLE {table.name} IN ACCESS EXCLUSIVE MODE"))

    async def _exchange_one(self, connection: Connection, table: Table, end: date) -> None:
        name, old = table.name, f"{table.name}_before_{end.year}"
        indexes = (await connection.execute(_INDEXES, {"table": name})).all()
        keys = (await connection.execute(_FOREIGN_KEYS, {"table": name})).all()
        sequence = await connection.scalar(_SEQUENCE, {"table": name})
        await _execute(
            connection,
            *(f"ALTER TABLE {name} DROP CONSTRAINT {key}" for key, _, target in keys if target == self._records.name),
            f"ALTER TABLE {name} RENAME TO {old}",
            *(f"ALTER INDEX {index} RENAME TO {index}_before_{end.year}" for index, *_ in indexes),
            f"ALTER TABLE {old} ALTER {DAY} DROP DEFAULT",
            f"CREATE TABLE {name} (LIKE {old} INCLUDING DEFAULTS) PARTITION BY RANGE ({DAY})",
        )
        # Before it gets the sequence, which has to have the same owner.
        await copy_rights(connection, old, name)
        await _execute(
            connection,
            *(_new_index(name, *index) for index in indexes if index[2] != b"p"),
            *(
                f"ALTER TABLE {name} ADD CONSTRAINT {key} {definition}"
                for key, definition, target in keys
                if target != self._records.name
            ),
            *([] if sequence is None else [f"ALTER SEQUENCE {sequence} OWNED BY {name}.id"]),
            f"ALTER TABLE {name} ATTACH PARTITION {old} FOR VALUES FROM (MINVALUE) TO ('{end}')",
            f"ALTER TABLE {old} DROP CONSTRAINT IF EXISTS {_check_of(table)}",
            new_table(table, f"{name}_{OTHER}"),
            f"ALTER TABLE {name} ATTACH PARTITION {name}_{OTHER} DEFAULT",
        )
        await copy_rights(connection, old, f"{name}_{OTHER}")


async def _execute(connection: Connection, *statements: str) -> None:
    for statement in statements:
        await connection.exec_driver_sql(statement)


async def left_checks(connection: AsyncConnection, tables: Sequence[Table]) -> list[str]:
    """The checks that a conversion of these tables has added: it is running, or its process was killed."""
    if connection.dialect.name == "sqlite":
        return []
    return list(await connection.scalars(_CHECKS, {"names": [_check_of(table) for table in tables]}))


async def _remove_check(connection: Connection, table: Table) -> None:
    await connection.execute(text(f"ALTER TABLE {table.name} DROP CONSTRAINT IF EXISTS {_check_of(table)}"))
    await connection.execute(text(f"ALTER TABLE {table.name} ALTER {DAY} DROP DEFAULT"))


def _new_index(table: str, name: str, definition: str, kind: bytes | None, constraint: str | None) -> str:
    """The statement that gives the new table an index of the present one."""
    return definition if kind is None else f"ALTER TABLE {table} ADD CONSTRAINT {name} {constraint}"


def _check_of(table: Table) -> str:
    return f"ck_{table.name}_days"


def _raise_compatibility() -> Update:
    c = schema_compatibility.c
    return (
        update(schema_compatibility)
        .where(c.compatible_from < PARTITIONED_FROM)
        .values(compatible_from=PARTITIONED_FROM)
    )
