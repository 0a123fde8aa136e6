"""Statements on users. Of a password only its hash is stored."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, Select, String, column, false, func, insert, not_, select, table, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.access import Caller
from adsum.accounts.names import PersonName
from adsum.accounts.tables import is_disabled, is_erased, users
from adsum.accounts.visibility import in_visible_school
from adsum.platform.database.columns import BigInt
from adsum.platform.database.search import with_search_text
from adsum.platform.database.sql_files import input_rows, sql_file


@dataclass(frozen=True, slots=True)
class StoredUser:
    """One row of `users`. Without an email it is a person of the roster who cannot sign in.

    `office_manages_logins`: the setting of their school.
    """

    id: int
    school_id: int | None
    source_id: str | None
    email: str | None
    password_hash: str | None
    role: str
    disabled: bool
    token_generation: int
    unlocks: int
    first_password: str | None
    office_manages_logins: bool


@dataclass(frozen=True, slots=True)
class Greeting:
    """The given and family name of a user, else their email, else ''; and the language that they have chosen."""

    name: str
    language: str | None


NOBODY = Greeting("", None)
# Of schools, for passwords.
MAX_NAMES = 200
# Of the feature `schools`, which imports this one.
schools = table("schools", column("id", BigInt), column("name", String), column("office_manages_logins", Boolean))
_USER = select(
    users.c.id,
    users.c.school_id,
    users.c.source_id,
    users.c.email,
    users.c.password_hash,
    users.c.role,
    is_disabled.label("disabled"),
    users.c.token_generation,
    users.c.unlocks,
    users.c.first_password,
    func.coalesce(schools.c.office_manages_logins, false()).label("office_manages_logins"),
).select_from(users.outerjoin(schools, schools.c.id == users.c.school_id))
USER_COLUMNS = {column.name: column.type for column in _USER.selected_columns}
_USERS_OF_IDS = sql_file("adsum.accounts", "users_of_ids", returns=USER_COLUMNS)
_USERS_OF_EMAILS = sql_file("adsum.accounts", "users_of_emails", returns=USER_COLUMNS)
_SCHOOL_IDS = sql_file("adsum.accounts", "school_ids")


async def users_of_ids(connection: AsyncConnection, user_ids: Collection[int]) -> dict[int, StoredUser]:
    """The users with these ids, by id."""
    rows = await _USERS_OF_IDS.fetch_all(connection, input_rows({"id": user_id} for user_id in user_ids))
    return {row[0]: StoredUser(*row) for row in rows}


async def users_of_emails(connection: AsyncConnection, emails: Collection[str]) -> dict[str, StoredUser]:
    """The users with these emails, by email. Runs for every request of a key on behalf of a person."""
    rows = await _USERS_OF_EMAILS.fetch_all(connection, input_rows({"email": email} for email in emails))
    found = [StoredUser(*row) for row in rows]
    return {user.email: user for user in found if user.email is not None}


async def user_of_email(connection: AsyncConnection, email: str, *, keep: bool = False) -> StoredUser | None:
    """The user with this email, which has to be normalised: see `normalised_email`.

    `keep`: nobody erases the user until the transaction ends.
    """
    query = _USER.where(users.c.email == email)
    return await _one(connection, query.with_for_update(read=True, key_share=True, of=users) if keep else query)


async def keep_user(connection: AsyncConnection, user_id: int) -> bool:
    """Prevents that a user is erased until the transaction ends. Returns False if they are erased.

    Call it before a row about the user is stored: their erasure would not find it.
    """
    c = users.c
    found = select(c.id).where(c.id == user_id, not_(is_erased)).with_for_update(read=True, key_share=True)
    return await connection.scalar(found) is not None


async def user_of_source(
    connection: AsyncConnection, school_id: int, source_id: str, *, locked: bool = False
) -> StoredUser | None:
    """The user with this id in the roster file of a school.

    `locked`: nobody changes or erases the user until the transaction ends.
    """
    query = _USER.where(users.c.school_id == school_id, users.c.source_id == source_id)
    return await _one(connection, query.with_for_update(of=users) if locked else query)


async def users_with_email(connection: AsyncConnection) -> list[StoredUser]:
    """All users with an email, by email; disabled users too."""
    rows = await connection.execute(_USER.where(users.c.email.is_not(None)).order_by(users.c.email))
    return [StoredUser(*row) for row in rows]


async def has_logins(connection: AsyncConnection) -> bool:
    """Whether there is a user with an email."""
    return await connection.scalar(select(users.c.id).where(users.c.email.is_not(None)).limit(1)) is not None


async def insert_user(
    connection: AsyncConnection,
    *,
    email: str,
    password_hash: str,
    first_password: str | None,
    role: str,
    school_id: int | None,
    name: PersonName | None = None,
) -> int:
    """Inserts a user and returns the id. Raises RejectedRows if the email is taken."""
    values = {"email": email, "password_hash": password_hash, "first_password": first_password}
    values |= {"role": role, "school_id": school_id}
    if name is not None:
        values |= {"given_name": name.given, "family_name": name.family}
    return int((await connection.execute(insert(users).values(values).returning(users.c.id))).scalar_one())


async def set_login(
    connection: AsyncConnection, user_id: int, *, email: str, password_hash: str, first_password: str | None
) -> None:
    """Gives a person of the roster an email and a password."""
    values = {"email": email, "password_hash": password_hash, "first_password": first_password}
    await connection.execute(update(users).where(users.c.id == user_id).values(values))


async def set_password(
    connection: AsyncConnection, user_id: int, password_hash: str, first_password: str | None
) -> None:
    """Sets the password, ends all tokens of the user, and clears their failed sign-ins."""
    await connection.execute(
        update(users)
        .where(users.c.id == user_id)
        .values(
            password_hash=password_hash,
            first_password=first_password,
            token_generation=users.c.token_generation + 1,
            unlocks=users.c.unlocks + 1,
        )
    )


async def rename_user(connection: AsyncConnection, user_id: int, name: PersonName) -> None:
    """Gives a user who is not of a roster a name."""
    values = {"given_name": name.given, "family_name": name.family, "source_id": None}
    await connection.execute(update(users).where(users.c.id == user_id).values(with_search_text(users, values)))


async def use_first_password(connection: AsyncConnection, user_id: int, unused: str, used: str) -> bool:
    """Marks a first password as used. Returns False if it was used before."""
    c = users.c
    first_use = update(users).where(c.id == user_id, c.first_password == unused).values(first_password=used)
    return (await connection.execute(first_use.returning(c.id))).first() is not None


async def names_of_user(connection: AsyncConnection, user_id: int) -> tuple[str, ...]:
    """The given and family name, the email, and the names of the schools, as far as they are known."""
    c = users.c
    query = select(c.school_id, c.given_name, c.family_name, c.email).where(c.id == user_id)
    school_id, *names = (await connection.execute(query)).one()
    return (*(name for name in names if name), *await names_of_own_schools(connection, school_id))


async def names_of_own_schools(connection: AsyncConnection, school_id: int | None) -> Sequence[str]:
    """The name of a school, or of the first ones of the district, of which an admin of all schools is thought to be."""
    query = select(schools.c.name).order_by(schools.c.id).limit(MAX_NAMES)
    of_school = query if school_id is None else query.where(schools.c.id == school_id)
    return (await connection.scalars(of_school)).all()


async def unlock(connection: AsyncConnection, user_id: int) -> None:
    """Clears the failed sign-ins of a user."""
    await connection.execute(update(users).where(users.c.id == user_id).values(unlocks=users.c.unlocks + 1))


async def end_tokens(connection: AsyncConnection, user_id: int) -> None:
    """Ends all tokens of a user."""
    await connection.execute(
        update(users).where(users.c.id == user_id).values(token_generation=users.c.token_generation + 1)
    )


async def greeting_of_user(connection: AsyncConnection, user_id: int) -> Greeting:
    """The name and the language of a user."""
    c = users.c
    query = select(c.given_name, c.family_name, c.email, c.language).where(c.id == user_id)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return NOBODY
    return Greeting(f"{row.given_name} {row.family_name}".strip() or row.email or "", row.language)


async def school_ids(connection: AsyncConnection) -> list[int]:
    """Ids of all schools, in ascending order."""
    return [row[0] for row in await _SCHOOL_IDS.fetch_all(connection, {})]


async def is_visible_school(connection: AsyncConnection, caller: Caller, school_id: int) -> bool:
    """Whether the school exists and the caller may see it."""
    found = select(schools.c.id).where(schools.c.id == school_id, in_visible_school(caller, schools.c.id))
    return await connection.scalar(found) is not None


async def _one(connection: AsyncConnection, query: Select[*tuple[Any, ...]]) -> StoredUser | None:
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else StoredUser(*row)
