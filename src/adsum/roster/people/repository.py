"""Statements about the people of a school and what they teach."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import exists, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.second_factors.tables import passkeys, totp_apps
from adsum.accounts.tables import class_teachers, is_disabled, users
from adsum.platform.database.search import mentions
from adsum.roster.people.rules import PersonFilters, PersonRow, TeachingRow
from adsum.roster.tables import classes


async def list_people(connection: AsyncConnection, filters: PersonFilters, after: int, limit: int) -> list[PersonRow]:
    """At most `limit` people of a school, or of every school, by id, with ids greater than `after`."""
    c = users.c
    of_school = c.school_id.is_(None) if filters.school_id is None else c.school_id == filters.school_id
    has_factors = or_(*(exists().where(table.c.user_id == c.id) for table in (passkeys, totp_apps)))
    statement = (
        select(
            c.id,
            c.school_id,
            c.source_id,
            c.email,
            c.role,
            is_disabled,
            c.given_name,
            c.family_name,
            c.left_roster,
            has_factors,
        )
        .where(of_school, c.id > after)
        .order_by(c.id)
        .limit(limit)
    )
    if filters.words is not None:
        statement = statement.where(mentions(filters.words, c.search_text, c.email))
    return [PersonRow(*row) for row in await connection.execute(statement)]


async def teachings_of(connection: AsyncConnection, user_ids: Collection[int]) -> list[TeachingRow]:
    """Past, present and future teachings of these people, by descending begin date; no begin date sorts last."""
    c = class_teachers.c
    statement = (
        select(c.user_id, c.class_id, classes.c.title, c.begin_date, c.end_date)
        .join(classes, classes.c.id == c.class_id)
        .where(c.user_id.in_(sorted(user_ids)))
        .order_by(c.begin_date.is_(None), c.begin_date.desc(), classes.c.title, c.id)
    )
    return [TeachingRow(*row) for row in await connection.execute(statement)]
