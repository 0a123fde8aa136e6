"""Statements on people who may sign in, and on the schools that they belong to."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, case, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.tables import users
from adsum.platform.database.input_rows import asking, rows_asked
from adsum.schools.tables import schools


@dataclass(frozen=True, slots=True)
class StoredUser:
    """One row of `users`. Without an email it is a person of the roster who cannot sign in."""

    id: int
    school_id: int | None
    source_id: str | None
    email: str | None
    password_hash: str | None
    role: str
    disabled: bool
    token_generation: int


_USER = select(
    users.c.id,
    users.c.school_id,
    users.c.source_id,
    users.c.email,
    users.c.password_hash,
    users.c.role,
    users.c.disabled,
    users.c.token_generation,
)


_TOLD = {column.name: column.type for column in _USER.selected_columns}
_OF_IDS = asking(
    """
SELECT u.id, u.school_id, u.source_id, u.email, u.password_hash, u.role, u.disabled, u.token_generation
FROM asked JOIN users u ON u.id = asked.id""",
    {"id": "bigint"},
    _TOLD,
)


async def users_of_ids(connection: AsyncConnection, user_ids: Collection[int]) -> dict[int, StoredUser]:
    """Those of these users that there are. It is asked for every request that carries a token."""
    rows = await _OF_IDS.fetch_all(connection, rows_asked({"id": user_id} for user_id in user_ids))
    return {row[0]: StoredUser(*row) for row in rows}


_OF_EMAILS = asking(
    """
SELECT u.id, u.school_id, u.source_id, u.email, u.password_hash, u.role, u.disabled, u.token_generation
FROM asked JOIN users u ON u.email = asked.email""",
    {"email": "text"},
    _TOLD,
)


async def users_of_emails(connection: AsyncConnection, emails: Collection[str]) -> dict[str, StoredUser]:
    """Those of these users that there are. It is asked for every request that names the person it acts for."""
    rows = await _OF_EMAILS.fetch_all(connection, rows_asked({"email": email} for email in emails))
    found = [StoredUser(*row) for row in rows]
    return {user.email: user for user in found if user.email is not None}


async def user_of_email(connection: AsyncConnection, email: str) -> StoredUser | None:
    """By the email in its one form: see `normalised_email`."""
    return await _one(connection, _USER.where(users.c.email == email))


async def user_of_source(connection: AsyncConnection, school_id: int, source_id: str) -> StoredUser | None:
    """The person that a roster's file calls `source_id`."""
    return await _one(connection, _USER.where(users.c.school_id == school_id, users.c.source_id == source_id))


async def users_with_email(connection: AsyncConnection) -> list[StoredUser]:
    """Everyone who may sign in or could before, by email."""
    rows = await connection.execute(_USER.where(users.c.email.is_not(None)).order_by(users.c.email))
    return [StoredUser(*row) for row in rows]


async def insert_user(
    connection: AsyncConnection, *, email: str, password_hash: str, role: str, school_id: int | None
) -> int:
    """Raises RejectedRows when somebody has the email."""
    values = {"email": email, "password_hash": password_hash, "role": role, "school_id": school_id}
    return int((await connection.execute(insert(users).values(values).returning(users.c.id))).scalar_one())


async def give_login(connection: AsyncConnection, user_id: int, *, email: str, password_hash: str) -> None:
    """A person of the roster gets an email and a password, and stays who they are."""
    await connection.execute(
        update(users).where(users.c.id == user_id).values(email=email, password_hash=password_hash)
    )


async def store_password(connection: AsyncConnection, user_id: int, password_hash: str) -> None:
    """A new password ends all tokens that were made with the old one."""
    await connection.execute(
        update(users)
        .where(users.c.id == user_id)
        .values(password_hash=password_hash, token_generation=users.c.token_generation + 1)
    )


async def store_disabled(connection: AsyncConnection, user_id: int, *, disabled: bool) -> None:
    """Disabling ends all tokens for ever: enabling again does not bring them back."""
    ended = case((users.c.disabled == disabled, 0), else_=1)
    await connection.execute(
        update(users)
        .where(users.c.id == user_id)
        .values(disabled=disabled, token_generation=users.c.token_generation + ended)
    )


async def end_tokens(connection: AsyncConnection, user_id: int) -> None:
    """Ends all tokens that were made until now."""
    await connection.execute(
        update(users).where(users.c.id == user_id).values(token_generation=users.c.token_generation + 1)
    )


async def name_of_user(connection: AsyncConnection, user_id: int) -> str:
    """The given and the family name, or else the email, or else ''."""
    c = users.c
    row = (await connection.execute(select(c.given_name, c.family_name, c.email).where(c.id == user_id))).one_or_none()
    return "" if row is None else f"{row.given_name} {row.family_name}".strip() or row.email or ""


async def school_ids(connection: AsyncConnection) -> list[int]:
    """Ids of all schools, in order."""
    return list((await connection.execute(select(schools.c.id).order_by(schools.c.id))).scalars())


async def _one(connection: AsyncConnection, found: Select[*tuple[Any, ...]]) -> StoredUser | None:
    row = (await connection.execute(found)).one_or_none()
    return None if row is None else StoredUser(*row)
