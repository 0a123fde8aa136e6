"""Creates and fills the temporary tables of an import, and reads what its files can refer to."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from functools import cache
from typing import Any, TypeVarTuple

from sqlalchemy import Row, Select, Table, TextClause, exists, func, insert, make_url, not_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.schema import CreateIndex, CreateTable, DropTable, ExecutableDDLElement

from adsum.accounts.access import Role
from adsum.accounts.tables import users
from adsum.platform.database.table_changes import allow_idle
from adsum.roster.importing.repository.changes import CLASSES, TEACHERS, ImportTable
from adsum.roster.importing.rules import SOON, ImportSchool, Staged
from adsum.roster.importing.tables import import_enrolments, import_schools, staging
from adsum.roster.oneroster.records import TEACHER, PersonRecord
from adsum.schools.locks import lock_imports
from adsum.schools.rules import default_letters
from adsum.schools.tables import schools

MAX_IDS_PER_STATEMENT = 1000
ROWS_AT_ONCE = 1000
Columns = TypeVarTuple("Columns")


async def begin_staging(connection: AsyncConnection) -> None:
    """Takes the lock of imports and creates the temporary tables."""
    await allow_idle(connection)
    await lock_imports(connection)
    for statement in _create_tables(connection.dialect.name):
        await connection.execute(statement)


async def end_staging(connection: AsyncConnection) -> None:
    """Drops the temporary tables, as a rollback does."""
    for statement in _drop_tables(connection.dialect.name):
        await connection.execute(statement)


async def stage(connection: AsyncConnection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Inserts rows, all with the same keys. The process prepares one slice at a time, and answers others in between."""
    for start in range(0, len(rows), ROWS_AT_ONCE):
        await connection.execute(insert(table), rows[start : start + ROWS_AT_ONCE])


async def read_all(connection: AsyncConnection, statement: Select[*Columns]) -> list[Row[*Columns]]:
    """All rows of a statement. The process reads one slice at a time, and answers others in between.

    A stream would not do: on Postgres its cursor stays open, and the temporary tables could not be dropped.
    """
    rows: list[Row[*Columns]] = []
    for some in (await connection.execute(statement)).partitions(ROWS_AT_ONCE):
        rows += some
        await asyncio.sleep(0)
    return rows


async def index_staged(connection: AsyncConnection, table: Table) -> None:
    """Creates the indexes of a filled table and analyzes it; without statistics Postgres plans nested loops."""
    for statement in _index(table, connection.dialect.name):
        await connection.execute(statement)


@cache
def _create_tables(dialect: str) -> list[TextClause]:
    return _compiled(map(CreateTable, staging.sorted_tables), dialect)


@cache
def _drop_tables(dialect: str) -> list[TextClause]:
    return _compiled(map(DropTable, staging.sorted_tables), dialect)


@cache
def _index(table: Table, dialect: str) -> list[TextClause]:
    indexes = sorted(table.indexes, key=lambda index: str(index.name))
    return [*_compiled(map(CreateIndex, indexes), dialect), text(f"ANALYZE {table.name}")]


def _compiled(definitions: Iterable[ExecutableDDLElement], dialect: str) -> list[TextClause]:
    """SQLAlchemy keeps no compiled definition, and compiles them at each execution."""
    target = make_url(f"{dialect}://").get_dialect()()
    return [text(str(definition.compile(dialect=target))) for definition in definitions]


async def keep_repeated(connection: AsyncConnection) -> list[tuple[int, int]]:
    """Leaves out enrolments whose source id occurs in an earlier row: (row, earlier row), in order."""
    repeated = [(row, earlier) for row, earlier in await connection.execute(_repeated())]
    await keep_rows(connection, [row for row, _ in repeated])
    return repeated


@cache
def _repeated() -> Select[int, int]:
    staged = import_enrolments
    later = staged.alias("later")
    first = (
        select(staged.c.source_id, func.min(staged.c.row).label("row"))
        .group_by(staged.c.source_id)
        .having(func.max(staged.c.row) > func.min(staged.c.row))
        .subquery("first")
    )
    return (
        select(later.c.row, first.c.row)
        .join(first, first.c.source_id == later.c.source_id)
        .where(later.c.row > first.c.row)
        .distinct()
        .order_by(later.c.row)
    )


async def keep_rows(connection: AsyncConnection, rows: Sequence[int]) -> None:
    """Leaves out staged enrolments by their row."""
    for start in range(0, len(rows), 500):
        chosen = import_enrolments.c.row.in_(rows[start : start + 500])
        await connection.execute(update(import_enrolments).where(chosen).values(state=Staged.KEPT.value, class_id=None))


async def schools_of(connection: AsyncConnection, sources: Collection[str]) -> list[ImportSchool]:
    """The schools with these source ids."""
    ordered = sorted(sources)
    found: list[ImportSchool] = []
    for start in range(0, len(ordered), MAX_IDS_PER_STATEMENT):
        statement = select(schools.c.id, schools.c.source_id, schools.c.name, schools.c.time_zone).where(
            schools.c.source_id.in_(ordered[start : start + MAX_IDS_PER_STATEMENT])
        )
        rows = await connection.execute(statement)
        found += [ImportSchool(id_, source or "", name, zone) for id_, source, name, zone in rows]
    return found


async def add_schools(connection: AsyncConnection, names: Sequence[tuple[str, str]], time_zone: str) -> None:
    """Adds schools, given as (source id, name)."""
    shared = {"time_zone": time_zone, "default_letters": default_letters(time_zone)}
    rows = [{"source_id": source_id, "name": name, **shared} for source_id, name in names]
    if rows:
        await connection.execute(insert(schools), rows)


async def rename_school(connection: AsyncConnection, school_id: int, name: str) -> None:
    """Renames a school. Its time zone is not changed."""
    await connection.execute(update(schools).where(schools.c.id == school_id).values(name=name))


async def stage_schools(connection: AsyncConnection, rows: Sequence[tuple[int, date, bool]]) -> None:
    """Stages the schools of the import: (id, current day at the school, whether the whole school ends)."""
    staged = [
        {"school_id": school_id, "today": today, "soon": today + SOON, "gone": gone} for school_id, today, gone in rows
    ]
    if staged:
        await connection.execute(insert(import_schools), staged)


async def active_classes(connection: AsyncConnection) -> dict[tuple[int, str], int]:
    """Ids by school and source id, in the schools of the import."""
    return await _ids(connection, CLASSES)


async def teachers(connection: AsyncConnection, *, staged_only: bool = False) -> dict[tuple[int, str], int]:
    """Ids by school and source id, also of teachers who have left. `staged_only`: only teachers in the file."""
    return await _ids(connection, TEACHERS, staged_only=staged_only)


async def active_teachers(connection: AsyncConnection) -> dict[tuple[int, str], int]:
    """Ids by school and source id, of the teachers who have not left."""
    return await _ids(connection, TEACHERS, with_left=False)


async def stored_teachers(connection: AsyncConnection) -> dict[str, PersonRecord]:
    """Teachers of the schools of the import who have not left, by source id."""
    u = users.c
    of_import = (u.school_id.in_(select(import_schools.c.school_id)), u.source_id.is_not(None))
    statement = select(u.source_id, u.given_name, u.family_name).where(
        *of_import, u.role == Role.TEACHER.value, not_(u.left_roster)
    )
    rows = await read_all(connection, statement)
    return await asyncio.to_thread(
        lambda: {
            source_id or "": PersonRecord(0, source_id or "", False, given, family, (), TEACHER, (), "", None)
            for source_id, given, family in rows
        }
    )


async def _ids(
    connection: AsyncConnection, kind: ImportTable, *, staged_only: bool = False, with_left: bool = True
) -> dict[tuple[int, str], int]:
    statement = _select_ids(kind, staged_only=staged_only, with_left=with_left)
    rows = await read_all(connection, statement)
    return await asyncio.to_thread(lambda: {(school_id, source_id): id_ for school_id, source_id, id_ in rows})


@cache
def _select_ids(kind: ImportTable, *, staged_only: bool, with_left: bool) -> Select[int, str, int]:
    table = kind.table
    statement = (
        select(table.c.school_id, table.c.source_id, table.c.id)
        .join(import_schools, import_schools.c.school_id == table.c.school_id)
        .where(table.c.source_id.is_not(None))
    )
    if "active" in table.c:
        statement = statement.where(table.c.active)
    if not with_left:
        statement = statement.where(not_(users.c.left_roster))
    if staged_only:
        statement = statement.where(exists().where(kind.is_present(kind.staged), kind.same(kind.staged)))
    return statement
