"""What an import read, as temporary tables beside the real ones, so that the difference is a few statements."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateIndex, CreateTable, DropTable

from adsum.platform.database.columns import BigInt


class Staged(StrEnum):
    """What a staged row says of its sourcedId: it is there, it is gone, or its row is wrong and nothing changes."""

    ACTIVE = "active"
    GONE = "gone"
    KEPT = "kept"


staging = MetaData()


def _table(name: str, *columns: Column[Any]) -> Table:
    return Table(name, staging, *columns, prefixes=["TEMPORARY"])


def _staged(name: str, owner: str, *columns: Column[Any]) -> Table:
    """`row` is the line in the file. A gone or kept row without an owner is so in every school of the import."""
    table = _table(
        name,
        Column("row", Integer, nullable=False),
        Column(owner, BigInt),
        Column("source_id", String(255), nullable=False),
        Column("state", String(8), nullable=False),
        *columns,
    )
    Index(f"ix_{name}", table.c.source_id, table.c.state, table.c[owner])
    Index(f"ix_{name}_row", table.c.row)
    return table


# The schools that the import is about, the day that it is there, and whether the whole school is to be ended.
import_schools = _table(
    "import_schools",
    Column("school_id", BigInt, nullable=False),
    Column("today", Date, nullable=False),
    Column("gone", Boolean, nullable=False),
)

import_students = _staged(
    "import_students",
    "school_id",
    Column("given_name", String(255)),
    Column("family_name", String(255)),
    Column("grade", String(32)),
)

import_teachers = _staged(
    "import_teachers", "school_id", Column("given_name", String(255)), Column("family_name", String(255))
)

import_classes = _staged("import_classes", "school_id", Column("title", String(255)), Column("code", String(255)))

import_sessions = _table(
    "import_sessions",
    Column("class_id", BigInt, nullable=False),
    Column("period", String(64), nullable=False),
    Column("title", String(255), nullable=False),
)

# Students' and teachers' rows together, since their sourcedIds are of one file: one of the two ids is set.
import_enrolments = _staged(
    "import_enrolments",
    "class_id",
    Column("student_id", BigInt),
    Column("user_id", BigInt),
    Column("begin_date", Date),
    Column("end_date", Date),
)

# Whoever imports on Postgres holds this lock: of two imports at once, one waits for the other.
_IMPORT_LOCK = 0x_AD5_0002
# Between two of its statements whole files are read: millions of rows, for longer than any other transaction may pause.
_LONGEST_PAUSE = "SET LOCAL idle_in_transaction_session_timeout = '10min'"


async def begin_staging(connection: AsyncConnection, *, is_postgres: bool) -> None:
    """Makes the temporary tables, when it is this import's turn."""
    if is_postgres:
        await connection.execute(text(_LONGEST_PAUSE))
        await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _IMPORT_LOCK})
    for table in staging.sorted_tables:
        await connection.execute(CreateTable(table))


async def end_staging(connection: AsyncConnection) -> None:
    """Drops them; a rollback does it too."""
    for table in staging.sorted_tables:
        await connection.execute(DropTable(table))


async def stage(connection: AsyncConnection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Adds rows; those of one call have the same keys."""
    if rows:
        await connection.execute(insert(table), rows)


async def index_staged(connection: AsyncConnection, table: Table) -> None:
    """After the last row: without its statistics Postgres would compare every row with every other."""
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        await connection.execute(CreateIndex(index))
    await connection.execute(text(f"ANALYZE {table.name}"))


async def keep_repeated(connection: AsyncConnection) -> list[tuple[int, int]]:
    """Leaves out every enrolment whose sourcedId stood in an earlier row: (its row, the earlier row), in order."""
    staged = import_enrolments
    later = staged.alias("later")
    first = (
        select(staged.c.source_id, func.min(staged.c.row).label("row"))
        .group_by(staged.c.source_id)
        .having(func.max(staged.c.row) > func.min(staged.c.row))
        .subquery("first")
    )
    statement = (
        select(later.c.row, first.c.row)
        .join(first, first.c.source_id == later.c.source_id)
        .where(later.c.row > first.c.row)
        .distinct()
        .order_by(later.c.row)
    )
    repeated = [(row, earlier) for row, earlier in await connection.execute(statement)]
    await _keep(connection, [row for row, _ in repeated])
    return repeated


async def keep_rows(connection: AsyncConnection, rows: Sequence[int]) -> None:
    """Leaves out staged enrolments by their row."""
    await _keep(connection, rows)


async def _keep(connection: AsyncConnection, rows: Sequence[int]) -> None:
    for start in range(0, len(rows), 500):
        chosen = import_enrolments.c.row.in_(rows[start : start + 500])
        await connection.execute(update(import_enrolments).where(chosen).values(state=Staged.KEPT.value, class_id=None))
