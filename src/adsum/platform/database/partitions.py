"""Partitions of tables by school year on Postgres: making them ahead, and dropping one.

A partition holds the rows of the days from `first` to before `end`. Rows of all other days are in the partition without
bounds, so that no row is refused. The primary key belongs to each partition alone: a key of the whole table would have
to contain the day, and ids come from one sequence anyway.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial

from sqlalchemy import MetaData, Select, Table, delete, func, insert, literal, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.platform.cancellation import end
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database, StorageOutage
from adsum.platform.database.table_changes import between_others, execute_long, schema_locked
from adsum.platform.telemetry import logger

DAY = "learning_date"
OTHER = "other"
# The partition of a year exists at least this long before the year begins.
AHEAD = timedelta(days=366)
# Rows of a new partition that are moved in its transaction: less than a second.
MOVED = 10_000
PAUSE = timedelta(days=1)
PAUSE_AFTER_FAILURE = timedelta(minutes=10)

_BOUND = re.compile(r"FOR VALUES FROM \((MINVALUE|'([\d-]+)')\) TO \('([\d-]+)'\)")
_PARTITIONS = text(
    "SELECT child.relname, pg_get_expr(child.relpartbound, child.oid) "
    "FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid "
    "WHERE inhparent = to_regclass(:table) ORDER BY child.relname"
)
_IS_PARTITIONED = text("SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(:table)")
# Superusers and members of the owner count as owners.
_IS_OWNER = text(
    "SELECT bool_and(pg_has_role(relowner, 'USAGE')) FROM pg_class WHERE oid = to_regclass(:table) "
    "OR oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass(:table))"
)
# Names are quoted by Postgres.
_OWNER = text(
    "SELECT quote_ident(pg_get_userbyid(relowner)), pg_get_userbyid(relowner) = current_user "
    "FROM pg_class WHERE oid = to_regclass(:table)"
)
# Without those of the owner, who has all.
_GRANTS = text(
    "SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END, privilege_type, "
    "CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END "
    "FROM pg_class, aclexplode(relacl) WHERE oid = to_regclass(:table) AND grantee <> relowner "
    "ORDER BY 1, 2"
)

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition by its name, with its first day and the day after the last. `first` None: from the beginning."""

    name: str
    first: date | None
    end: date


def next_year(day: date) -> date:
    """The same day, the first of a month, one year later."""
    return day.replace(year=day.year + 1)


async def is_partitioned(connection: AsyncConnection, table: Table) -> bool:
    """Whether the table has partitions. On SQLite it never has."""
    if connection.dialect.name == "sqlite":
        return False
    return bool(await connection.scalar(_IS_PARTITIONED, {"table": table.name}))


async def partitions_of(connection: AsyncConnection, table: Table) -> list[Partition]:
    """The partitions of a table by their days, without the one of all other days. Empty: it has none."""
    if connection.dialect.name == "sqlite":
        return []
    found: list[Partition] = []
    for name, bound in await connection.execute(_PARTITIONS, {"table": table.name}):
        if (match := _BOUND.fullmatch(bound)) is not None:
            first = None if match[2] is None else date.fromisoformat(match[2])
            found.append(Partition(name, first, date.fromisoformat(match[3])))
    return sorted(found, key=lambda each: each.end)


async def owns(connection: AsyncConnection, tables: Sequence[Table]) -> bool:
    """Whether the user of a Postgres connection may add, analyse and drop partitions: the owner of all of them may."""
    return all([await connection.scalar(_IS_OWNER, {"table": table.name}) for table in tables])


class PartitionsAhead:
    """Makes the partitions of coming school years, and keeps the statistics of the whole tables.

    Autovacuum analyses each partition, but never the table that they belong to, whose statistics choose the plans of
    statements that read several years. Nobody waits for it: it takes seconds in large tables.
    """

    def __init__(self, database: Database, tables: Sequence[Table], now: Clock) -> None:
        self._database = database
        self._tables = tables
        self._now = now
        self._due = now()
        self._analysing: asyncio.Task[None] | None = None
        self._is_refused_logged = False

    async def make_if_due(self) -> int:
        """Looks once a day. Returns the number of partitions that it has made. Without partitions it does nothing."""
        now = self._now()
        if now < self._due:
            return 0
        self._due = now + PAUSE
        if not await self._may_change():
            return 0
        try:
            made = await self._make()
        except StorageOutage as error:
            # Rows of that year are kept without it. The other chores go on.
            log.warning("a partition is made later", code=error.code)
            self._due = now + PAUSE_AFTER_FAILURE
            return 0
        if self._analysing is None or self._analysing.done():
            self._analysing = asyncio.create_task(self.analyse())
        return made

    async def make(self) -> int:
        """Makes the partitions of coming years, and returns their number; 0 as a user who does not own the tables.

        Raises:
            LockTimeout: a transaction uses a table.
            StorageOutage: another process migrates, or the database does not answer.
        """
        return await self._make() if await self._may_change() else 0

    async def _may_change(self) -> bool:
        """Whether there are partitions, and the user of the database owns them. If not it is logged once."""
        if not self._database.is_postgres:
            return False
        async with self._database.autocommit_read() as connection:
            is_partitioned, is_owner = bool(await self._ends(connection)), await owns(connection, self._tables)
        if is_partitioned and not is_owner and not self._is_refused_logged:
            log.warning("partitions are neither made nor analysed: the database user does not own the tables")
            self._is_refused_logged = True
        return is_partitioned and is_owner

    async def _make(self) -> int:
        """A year whose rows are too many to be moved in a moment gets none: they stay in that of other days."""
        made = 0
        async with schema_locked(self._database) as connection:
            last = await self._ends(connection)
            end = min(last.values(), default=date.max)
            while end <= self._now().date() + AHEAD:
                tables = [table for table in self._tables if last[table] <= end]
                if await _are_few(connection, tables, end):
                    await between_others(self._database, partial(_add_partitions, tables=tables, first=end), patience=0)
                    made += len(tables)
                else:
                    log.warning("a school year gets no partition: it has too many rows", first_day=end.isoformat())
                end = next_year(end)
        return made

    async def _ends(self, connection: AsyncConnection) -> dict[Table, date]:
        """Of each table the day after those of its newest partition. Empty: not all of them have partitions."""
        partitions = {table: await partitions_of(connection, table) for table in self._tables}
        return {table: present[-1].end for table, present in partitions.items()} if all(partitions.values()) else {}

    async def analyse(self) -> None:
        """Renews the statistics of the whole tables. What prevents it is logged, and it is repeated the next day."""
        try:
            async with self._database.autocommit_read() as connection:
                for table in self._tables:
                    await execute_long(connection, f"ANALYZE {table.name}")
        except StorageOutage as error:
            log.warning("records were not analysed", code=error.code)

    async def close(self) -> None:
        """Ends an analysis."""
        if self._analysing is not None:
            await end([self._analysing])


async def _are_few(connection: AsyncConnection, tables: Sequence[Table], first: date) -> bool:
    """Whether the rows of a year that are in the partitions of other days can be moved while others wait."""
    counts = [
        await connection.scalar(select(func.count()).select_from(_of_year(table, first).limit(MOVED + 1).subquery()))
        for table in tables
    ]
    return all(count is not None and count <= MOVED for count in counts)


def _of_year(table: Table, first: date) -> Select[int]:
    other = table.to_metadata(MetaData(), name=f"{table.name}_{OTHER}")
    return select(literal(1)).select_from(other).where(other.c[DAY] >= first, other.c[DAY] < next_year(first))


async def _add_partitions(connection: Connection, tables: Sequence[Table], first: date) -> None:
    """In one transaction, so that the rows of all tables are dropped together later."""
    for table in tables:
        await add_partition(connection, table, first)


async def add_partition(connection: Connection, table: Table, first: date) -> None:
    """Adds the partition of the school year that begins on a day, and moves its rows there from the one of other days.

    Nobody writes such rows meanwhile. There are none unless nobody has made partitions for a year.
    """
    end, name, other = next_year(first), f"{table.name}_{first.year}", f"{table.name}_{OTHER}"
    await connection.execute(text(new_table(table, name)))
    await copy_rights(connection, table.name, name)
    await connection.execute(text(f"LOCK TABLE {other} IN SHARE ROW EXCLUSIVE MODE"))
    source, target = (table.to_metadata(MetaData(), name=each) for each in (other, name))
    moved = delete(source).where(source.c[DAY] >= first, source.c[DAY] < end).returning(*source.c).cte("moved")
    columns = [column.name for column in table.c]
    await connection.execute(insert(target).from_select(columns, select(*(moved.c[each] for each in columns))))
    await connection.execute(
        text(f"ALTER TABLE {table.name} ATTACH PARTITION {name} FOR VALUES FROM ('{first}') TO ('{end}')")
    )
    log.info("partition made", table=name)


def new_table(table: Table, name: str) -> str:
    """The statement that makes a table with the columns of a partitioned one, and the primary key that it lacks."""
    key = ", ".join(column.name for column in table.primary_key)
    return f"CREATE TABLE {name} (LIKE {table.name} INCLUDING DEFAULTS, CONSTRAINT pk_{name} PRIMARY KEY ({key}))"


async def copy_rights(connection: Connection, source: str, target: str) -> None:
    """Gives a new table the owner and the privileges of another one, whoever made it, without default privileges."""
    owner, is_own = (await connection.execute(_OWNER, {"table": source})).one()
    granted = (await connection.execute(_GRANTS, {"table": source})).all()
    given = (await connection.execute(_GRANTS, {"table": target})).all()
    statements = [
        *(f"REVOKE ALL ON {target} FROM {grantee}" for grantee in sorted({row[0] for row in given})),
        *(f"GRANT {privilege} ON {target} TO {grantee}{option}" for grantee, privilege, option in granted),
        # Last: only the owner may grant.
        *([] if is_own else [f"ALTER TABLE {target} OWNER TO {owner}"]),
    ]
    for statement in statements:
        await connection.exec_driver_sql(statement)


async def fill_missing_days(connection: Connection, records: Table, changes: Table) -> None:
    """Moves changes without a day to the partition of their record. Processes from before the partitions write them,
    and if the record was dropped, nothing would find them.
    """
    c, r = changes.c, records.c
    missing = update(changes).where(c[DAY].is_(None), r.id == c.attendance_id).values({DAY: r[DAY]})
    await connection.execute(missing)


async def drop_partition(connection: Connection, partition: Partition) -> None:
    """Drops a partition with its rows. Waits for the transactions that use the table, and holds up all others."""
    await connection.execute(text(f"DROP TABLE {partition.name}"))
    log.info("partition dropped", table=partition.name)
