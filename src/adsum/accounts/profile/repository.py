"""Statements about the profile of a user."""

from __future__ import annotations

from sqlalchemy import not_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.names import PersonName
from adsum.accounts.profile.rules import Profile
from adsum.accounts.repository import schools
from adsum.accounts.tables import is_erased, users


async def find_profile(connection: AsyncConnection, user_id: int) -> Profile | None:
    """The profile of a user with a login; None: they were erased."""
    c = users.c
    row = (
        await connection.execute(
            select(c.email, c.given_name, c.family_name, c.role, schools.c.name, c.source_id, c.language)
            .outerjoin(schools, schools.c.id == c.school_id)
            .where(c.id == user_id, not_(is_erased))
        )
    ).one_or_none()
    if row is None:
        return None
    email, given, family, *others = row
    return Profile(user_id, email or "", PersonName(given, family), *others)


async def set_language(connection: AsyncConnection, user_id: int, language: str | None) -> None:
    """Stores the language of the pages of a user."""
    await connection.execute(update(users).where(users.c.id == user_id).values(language=language))
