"""The names of staged people, compared with those of the roster before they are applied."""

from __future__ import annotations

from functools import cache

from sqlalchemy import Select, and_, exists, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.roster.importing.repository.changes import STUDENTS, TEACHERS, ImportTable
from adsum.roster.importing.rules import MAX_VIOLATIONS, column_of_empty_name
from adsum.roster.importing.tables import import_schools


async def empty_names(connection: AsyncConnection) -> dict[int, str]:
    """The column of the empty name, by row, of people with one name who are new or whose names change.

    The first `MAX_VIOLATIONS` students and as many teachers. A person whose name stays is not named at each import.
    """
    found: dict[int, str] = {}
    for kind in (STUDENTS, TEACHERS):
        for row, given_name in await connection.execute(_new_with_one_name(kind)):
            found[row] = column_of_empty_name(given_name)
    return found


@cache
def _new_with_one_name(kind: ImportTable) -> Select[int, str]:
    """A student of another school of the import is not new at this one: students transfer with their names."""
    staged, stored = kind.staged.c, kind.table.c
    is_named_alike = and_(stored.given_name == staged.given_name, stored.family_name == staged.family_name)
    at_other_school = and_(
        stored.source_id == staged.source_id, stored.school_id.in_(select(import_schools.c.school_id))
    )
    return (
        select(staged.row, staged.given_name)
        .distinct()
        .where(kind.is_present(kind.staged), or_(staged.given_name == "", staged.family_name == ""))
        .where(not_(exists().where(kind.same(kind.staged), is_named_alike)))
        .where(not_(exists().where(at_other_school, is_named_alike)))
        .order_by(staged.row)
        .limit(MAX_VIOLATIONS)
    )
