"""Who works at a school, with a login or without, and the classes that each of them teaches."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.tables import class_teachers, users
from adsum.platform.database.search import mentions
from adsum.roster.people.rules import PersonFilters
from adsum.roster.tables import classes


@dataclass(frozen=True, slots=True)
class PersonRow:
    """Somebody of a school's staff. Without an email they are on the roster and cannot sign in."""

    id: int
    school_id: int | None
    source_id: str | None
    email: str | None
    role: str
    disabled: bool
    given_name: str
    family_name: str


@dataclass(frozen=True, slots=True)
class TeachingRow:
    """That somebody teaches a class, from `begin_date` on, up to but without `end_date`; None is no bound."""

    user_id: int
    class_id: int
    title: str
    begin_date: date | None
    end_date: date | None


async def list_people(connection: AsyncConnection, filters: PersonFilters, after: int, limit: int) -> list[PersonRow]:
    """At most `limit` people of a school, or of those who are of every school, by id, from beyond the id `after`."""
    c = users.c
    is_of_school = c.school_id.is_(None) if filters.school_id is None else c.school_id == filters.school_id
    statement = (
        select(c.id, c.school_id, c.source_id, c.email, c.role, c.disabled, c.given_name, c.family_name)
        .where(is_of_school, c.id > after)
        .order_by(c.id)
        .limit(limit)
    )
    if filters.words is not None:
        statement = statement.where(mentions(filters.words, c.given_name, c.family_name, c.email, c.source_id))
    return [PersonRow(*row) for row in await connection.execute(statement)]


async def teachings_of(connection: AsyncConnection, user_ids: Collection[int]) -> list[TeachingRow]:
    """What these people teach, have taught and are to teach; what begins last stands first."""
    c = class_teachers.c
    statement = (
        select(c.user_id, c.class_id, classes.c.title, c.begin_date, c.end_date)
        .join(classes, classes.c.id == c.class_id)
        .where(c.user_id.in_(sorted(user_ids)))
        .order_by(c.begin_date.is_(None), c.begin_date.desc(), classes.c.title, c.id)
    )
    return [TeachingRow(*row) for row in await connection.execute(statement)]
