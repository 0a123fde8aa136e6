"""The schools of an import, and what of them its files can refer to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.roster.importing.repository import CLASSES, STUDENTS, TEACHERS, Kind
from adsum.roster.importing.staging import import_schools
from adsum.schools.tables import schools

AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class ImportSchool:
    """A school that has a sourcedId."""

    id: int
    source_id: str
    name: str
    time_zone: str


async def schools_of(connection: AsyncConnection, sources: Collection[str]) -> list[ImportSchool]:
    """Those of the sourcedIds that are known."""
    ordered = sorted(sources)
    found: list[ImportSchool] = []
    for start in range(0, len(ordered), AT_ONCE):
        statement = select(schools.c.id, schools.c.source_id, schools.c.name, schools.c.time_zone).where(
            schools.c.source_id.in_(ordered[start : start + AT_ONCE])
        )
        rows = await connection.execute(statement)
        found += [ImportSchool(id_, source or "", name, zone) for id_, source, name, zone in rows]
    return found


async def add_schools(connection: AsyncConnection, names: Sequence[tuple[str, str]], time_zone: str) -> None:
    """Adds schools, given as (sourcedId, name)."""
    rows = [{"source_id": source_id, "name": name, "time_zone": time_zone} for source_id, name in names]
    if rows:
        await connection.execute(insert(schools), rows)


async def rename_school(connection: AsyncConnection, school_id: int, name: str) -> None:
    """Its time zone is the school's own business, and stays."""
    await connection.execute(update(schools).where(schools.c.id == school_id).values(name=name))


async def stage_schools(connection: AsyncConnection, rows: Sequence[tuple[int, date, bool]]) -> None:
    """Says which schools the import is about: (id, the day that it is there, whether all of it is to be ended)."""
    staged = [{"school_id": school_id, "today": today, "gone": gone} for school_id, today, gone in rows]
    if staged:
        await connection.execute(insert(import_schools), staged)


async def active_classes(connection: AsyncConnection) -> dict[tuple[int, str], int]:
    """Ids by school and sourcedId, of the schools of the import."""
    return await _ids(connection, CLASSES)


async def active_students(connection: AsyncConnection) -> dict[tuple[int, str], int]:
    """Ids by school and sourcedId, of the schools of the import."""
    return await _ids(connection, STUDENTS)


async def teachers(connection: AsyncConnection, *, staged_only: bool = False) -> dict[tuple[int, str], int]:
    """Everybody of the roster who may have a login. `staged_only`: whom the file calls a teacher."""
    return await _ids(connection, TEACHERS, staged_only=staged_only)


async def _ids(connection: AsyncConnection, kind: Kind, *, staged_only: bool = False) -> dict[tuple[int, str], int]:
    table = kind.table
    statement = (
        select(table.c.school_id, table.c.source_id, table.c.id)
        .join(import_schools, import_schools.c.school_id == table.c.school_id)
        .where(table.c.source_id.is_not(None))
    )
    if "active" in table.c:
        statement = statement.where(table.c.active)
    if staged_only:
        statement = statement.where(exists().where(kind.is_present(kind.staged), kind.same(kind.staged)))
    return {(school_id, source_id): id_ for school_id, source_id, id_ in await connection.execute(statement)}
