"""The sessions and students of a school that a file may name, as far as the caller sees them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from sqlalchemy import literal, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_class, in_visible_school
from adsum.roster.naming.rules import Name, NamedSession, NamedStudent, is_id
from adsum.roster.repository.membership import student_names
from adsum.roster.repository.students import ever_taught
from adsum.roster.tables import classes, sessions, students
from adsum.schools.tables import schools

# Both databases limit the parameters of a statement.
_IDS_AT_ONCE = 10_000


async def visible_sessions(
    connection: AsyncConnection, caller: Caller, school_id: int, *, active: bool = False
) -> list[NamedSession]:
    """The sessions of all classes that the caller sees on any day.

    `active`: without sessions that have ended, and those of classes that have.
    """
    c, s = classes.c, sessions.c
    statement = (
        select(s.id, s.period, s.source_id, c.id, c.source_id)
        .join(classes, c.id == s.class_id)
        .where(c.school_id == school_id, in_visible_class(caller, c.id, None))
    )
    if active:
        statement = statement.where(c.active, s.active)
    return [NamedSession(*row) for row in await connection.execute(statement)]


async def visible_students(connection: AsyncConnection, caller: Caller, school_id: int) -> list[NamedStudent]:
    """The students of a school whom the caller sees, as in `find_student`.

    A student is listed again under the ids of each record that was merged into theirs. The source id of such a record
    names the student at the school of the record only; Adsum's id names them at each of their schools.
    """
    # The last student of a source id is the one whom the file names: one of the school, not of another home school.
    n, s = student_names.c, students.c
    found = (
        select(n.student_id, n.source_id, n.row_id)
        .join(students, s.id == n.row_id)
        .where(n.school_id == school_id)
        .order_by(n.is_home, n.row_id)
    )
    of_school = select(n.student_id).where(n.school_id == school_id)
    elsewhere = select(s.merged_into, literal(None), s.id).where(s.school_id != school_id, s.merged_into.in_(of_school))
    if caller.teaches_only:
        found, elsewhere = (statement.where(ever_taught(caller)) for statement in (found, elsewhere))
    rows = [*await connection.execute(elsewhere), *await connection.execute(found)]
    return [NamedStudent(*row) for row in rows]


async def schools_with_classes(
    connection: AsyncConnection, caller: Caller, names: Collection[Name], *, other_than: int
) -> dict[Name, list[str]]:
    """The names of the other schools that have a class of these names which the caller sees on any day."""
    if not names:
        return {}
    c = classes.c
    by_id = {int(name.text): name for name in names if name.is_own_id and is_id(name.text)}
    by_source_id = defaultdict[str, list[Name]](list)
    for name in names:
        if not name.is_own_id:
            by_source_id[name.text].append(name)
    statement = (
        select(c.id, c.source_id, schools.c.name)
        .join(schools, schools.c.id == c.school_id)
        .where(or_(c.id.in_(by_id), c.source_id.in_(by_source_id)), c.school_id != other_than)
        .where(in_visible_school(caller, c.school_id), in_visible_class(caller, c.id, None))
        .order_by(schools.c.name, c.school_id)
    )
    found = defaultdict[Name, list[str]](list)
    for class_id, source_id, school in await connection.execute(statement):
        for name in (*by_source_id.get(source_id, ()), *([by_id[class_id]] if class_id in by_id else ())):
            found[name].append(school)
    return dict(found)


async def schools_of_classes(connection: AsyncConnection, caller: Caller, class_ids: Collection[int]) -> dict[int, int]:
    """The school of each class that the caller sees on any day."""
    c = classes.c
    found: dict[int, int] = {}
    ordered = sorted(class_ids)
    for start in range(0, len(ordered), _IDS_AT_ONCE):
        some = ordered[start : start + _IDS_AT_ONCE]
        statement = select(c.id, c.school_id).where(
            c.id.in_(some), in_visible_school(caller, c.school_id), in_visible_class(caller, c.id, None)
        )
        found |= {row.id: row.school_id for row in await connection.execute(statement)}
    return found
