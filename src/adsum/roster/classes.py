"""Classes: finding one, listing them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.visibility import in_visible_class, in_visible_school
from adsum.platform.database.search import mentions
from adsum.platform.database.validity import Day
from adsum.roster.filters import ClassFilters
from adsum.roster.tables import classes
from adsum.schools.tables import schools


@dataclass(frozen=True, slots=True)
class ClassRow:
    """A class, with what its school says about days.

    Attributes:
        source_id: in the roster file.
        active: whether the newest roster file still has it.
        time_zone: IANA name, of its school.
    """

    id: int
    school_id: int
    source_id: str | None
    title: str
    code: str | None
    active: bool
    time_zone: str


async def find_class(
    connection: AsyncConnection, caller: Caller, class_id: int, day: Day | None = None
) -> ClassRow | None:
    """The class, if it is there and the caller sees it.

    Args:
        connection: of an open transaction.
        caller: who asks.
        class_id: of the class.
        day: on which a teacher must be assigned to it. None: on any day at all, for whoever needs the school's time
            zone first, to know which day is meant.
    """
    statement = _visible(caller, day).where(classes.c.id == class_id)
    row = (await connection.execute(statement)).one_or_none()
    return None if row is None else ClassRow(*row)


async def list_classes(
    connection: AsyncConnection, caller: Caller, filters: ClassFilters, today: Day, after: int, limit: int
) -> list[ClassRow]:
    """At most `limit` classes that the caller sees `today`, by id, from beyond the id `after`."""
    statement = _visible(caller, today).where(classes.c.id > after).order_by(classes.c.id).limit(limit)
    if filters.school_id is not None:
        statement = statement.where(classes.c.school_id == filters.school_id)
    if filters.words is not None:
        statement = statement.where(mentions(filters.words, classes.c.title, classes.c.code, classes.c.source_id))
    if filters.source_id is not None:
        statement = statement.where(classes.c.source_id == filters.source_id)
    if filters.active is not None:
        statement = statement.where(classes.c.active == filters.active)
    return [ClassRow(*row) for row in await connection.execute(statement)]


def _visible(caller: Caller, day: Day | None) -> Select[int, int, str | None, str, str | None, bool, str]:
    return (
        select(
            classes.c.id,
            classes.c.school_id,
            classes.c.source_id,
            classes.c.title,
            classes.c.code,
            classes.c.active,
            schools.c.time_zone,
        )
        .join(schools, schools.c.id == classes.c.school_id)
        .where(in_visible_school(caller, classes.c.school_id), in_visible_class(caller, classes.c.id, day))
    )
