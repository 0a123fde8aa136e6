"""Statements on users and API keys. Of a secret only its hash is stored."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, case, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.tables import api_keys, is_disabled, sign_ins, users
from adsum.platform.database.sql_files import input_rows, sql_file

# Of one user and kind. A program that signs in for every request ends those of programs that were not used for the
# longest time, and none of a browser.
MAX_SIGN_INS = 200
MAX_DELETED = 1_000


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
    unlocks: int
    first_password: str | None


@dataclass(frozen=True, slots=True)
class StoredSignIn:
    """One row of `sign_ins` with its user."""

    key: str
    id: int
    kind: str
    generation: int
    last_used_at: datetime
    user: StoredUser


@dataclass(frozen=True, slots=True)
class SignInRow:
    """A sign-in, for a list."""

    id: int
    kind: str
    agent: str
    created_at: datetime
    last_used_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class StoredKey:
    """One row of `api_keys`. `schools` None: all schools."""

    id: int
    name: str
    permissions: Sequence[str]
    schools: Sequence[int] | None
    created_at: datetime
    revoked_at: datetime | None


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
)
_KEY = select(
    api_keys.c.id,
    api_keys.c.name,
    api_keys.c.permissions,
    api_keys.c.schools,
    api_keys.c.created_at,
    api_keys.c.revoked_at,
)
_USER_COLUMNS = {column.name: column.type for column in _USER.selected_columns}
_KEY_COLUMNS = {column.name: column.type for column in (api_keys.c.secret_hash, *_KEY.selected_columns)}
_USERS_OF_IDS = sql_file("adsum.accounts", "users_of_ids", returns=_USER_COLUMNS)
_SIGN_IN_COLUMNS = {
    "key": sign_ins.c.key.type,
    "sign_in_id": sign_ins.c.id.type,
    "kind": sign_ins.c.kind.type,
    "generation": sign_ins.c.generation.type,
    "last_used_at": sign_ins.c.last_used_at.type,
} | _USER_COLUMNS
_SIGN_INS_OF_KEYS = sql_file("adsum.accounts", "sign_ins_of_keys", returns=_SIGN_IN_COLUMNS)
_USERS_OF_EMAILS = sql_file("adsum.accounts", "users_of_emails", returns=_USER_COLUMNS)
_KEYS_OF_HASHES = sql_file("adsum.accounts", "keys_of_hashes", returns=_KEY_COLUMNS)
_SCHOOL_IDS = sql_file("adsum.accounts", "school_ids")


async def users_of_ids(connection: AsyncConnection, user_ids: Collection[int]) -> dict[int, StoredUser]:
    """The users with these ids, by id."""
    rows = await _USERS_OF_IDS.fetch_all(connection, input_rows({"id": user_id} for user_id in user_ids))
    return {row[0]: StoredUser(*row) for row in rows}


async def sign_ins_of_keys(connection: AsyncConnection, keys: Collection[str]) -> dict[str, StoredSignIn]:
    """The sign-ins with these keys, by key. Runs for every request that carries a token."""
    rows = await _SIGN_INS_OF_KEYS.fetch_all(connection, input_rows({"key": key} for key in keys))
    return {row[0]: StoredSignIn(*row[:5], user=StoredUser(*row[5:])) for row in rows}


async def insert_sign_in(
    connection: AsyncConnection, user: StoredUser, *, key: str, kind: str, agent: str, now: datetime, ends_at: datetime
) -> None:
    """Inserts a sign-in, and deletes those of the user that have ended, or exceed `MAX_SIGN_INS` of this kind."""
    c = sign_ins.c
    is_over = or_(c.ends_at <= now, c.generation != user.token_generation)
    newest = select(c.id).where(c.user_id == user.id, c.kind == kind).order_by(c.last_used_at.desc(), c.id.desc())
    is_excess = c.id.in_(newest.offset(MAX_SIGN_INS - 1).limit(MAX_DELETED))
    await _delete_sign_ins(connection, user.id, or_(is_over, is_excess))
    values: dict[str, Any] = {"key": key, "user_id": user.id, "kind": kind, "generation": user.token_generation}
    values |= {"agent": agent, "created_at": now, "last_used_at": now, "ends_at": ends_at}
    await connection.execute(insert(sign_ins).values(values))


async def note_use(connection: AsyncConnection, keys: Collection[str], now: datetime) -> None:
    """Notes that these sign-ins were used."""
    await connection.execute(
        update(sign_ins).where(sign_ins.c.key.in_(keys), sign_ins.c.last_used_at < now).values(last_used_at=now)
    )


async def sign_ins_of_user(connection: AsyncConnection, user_id: int, now: datetime) -> list[SignInRow]:
    """The sign-ins of a user that have not ended, the last used one first."""
    c = sign_ins.c
    columns = (c.id, c.kind, c.agent, c.created_at, c.last_used_at, c.ends_at)
    query = (
        select(*columns)
        .join(users, users.c.id == c.user_id)
        .where(c.user_id == user_id, c.ends_at > now, c.generation == users.c.token_generation)
        .order_by(c.last_used_at.desc(), c.id.desc())
    )
    return [SignInRow(*row) for row in await connection.execute(query)]


async def end_sign_in(connection: AsyncConnection, user_id: int, sign_in_id: int) -> bool:
    """Ends a sign-in of this user. Returns False if there is none."""
    c = sign_ins.c
    ended = await connection.execute(delete(sign_ins).where(c.id == sign_in_id, c.user_id == user_id).returning(c.id))
    return ended.first() is not None


async def end_other_sign_ins(connection: AsyncConnection, user_id: int, sign_in_id: int) -> None:
    """Ends all sign-ins of this user but one."""
    await _delete_sign_ins(connection, user_id, sign_ins.c.id != sign_in_id)


async def delete_ended_sign_ins(connection: AsyncConnection, now: datetime, limit: int) -> int:
    """Deletes at most `limit` sign-ins whose time is over; returns their number."""
    c = sign_ins.c
    due = select(c.id).where(c.ends_at <= now).limit(limit).with_for_update(skip_locked=True)
    ids = (await connection.scalars(due)).all()
    if ids:
        await connection.execute(delete(sign_ins).where(c.id.in_(ids)))
    return len(ids)


async def end_sign_in_of_key(connection: AsyncConnection, key: str) -> None:
    """Ends the sign-in with this key, if there is one."""
    await connection.execute(delete(sign_ins).where(sign_ins.c.key == key))


async def users_of_emails(connection: AsyncConnection, emails: Collection[str]) -> dict[str, StoredUser]:
    """The users with these emails, by email. Runs for every request of a key on behalf of a person."""
    rows = await _USERS_OF_EMAILS.fetch_all(connection, input_rows({"email": email} for email in emails))
    found = [StoredUser(*row) for row in rows]
    return {user.email: user for user in found if user.email is not None}


async def user_of_email(connection: AsyncConnection, email: str) -> StoredUser | None:
    """The user with this email, which has to be normalised: see `normalised_email`."""
    return await _one(connection, _USER.where(users.c.email == email))


async def user_of_source(connection: AsyncConnection, school_id: int, source_id: str) -> StoredUser | None:
    """The user with this id in the roster file of a school."""
    return await _one(connection, _USER.where(users.c.school_id == school_id, users.c.source_id == source_id))


async def users_with_email(connection: AsyncConnection) -> list[StoredUser]:
    """All users with an email, by email; disabled users too."""
    rows = await connection.execute(_USER.where(users.c.email.is_not(None)).order_by(users.c.email))
    return [StoredUser(*row) for row in rows]


async def insert_user(
    connection: AsyncConnection,
    *,
    email: str,
    password_hash: str,
    first_password: str | None,
    role: str,
    school_id: int | None,
) -> int:
    """Inserts a user and returns the id. Raises RejectedRows if the email is taken."""
    values = {"email": email, "password_hash": password_hash, "first_password": first_password}
    values |= {"role": role, "school_id": school_id}
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


async def use_first_password(connection: AsyncConnection, user_id: int, unused: str, used: str) -> bool:
    """Marks a first password as used. Returns False if it was used before."""
    c = users.c
    first_use = update(users).where(c.id == user_id, c.first_password == unused).values(first_password=used)
    return (await connection.execute(first_use.returning(c.id))).first() is not None


async def names_of_user(connection: AsyncConnection, user_id: int) -> tuple[str, ...]:
    """The given and family name and the email, as far as they are known."""
    c = users.c
    row = (await connection.execute(select(c.given_name, c.family_name, c.email).where(c.id == user_id))).one()
    return tuple(name for name in row if name)


async def unlock(connection: AsyncConnection, user_id: int) -> None:
    """Clears the failed sign-ins of a user."""
    await connection.execute(update(users).where(users.c.id == user_id).values(unlocks=users.c.unlocks + 1))


async def set_disabled(connection: AsyncConnection, user_id: int, *, disabled: bool) -> None:
    """Disables or enables a user. A change ends all tokens of the user for good.

    A user whom the roster has disabled is enabled until a roster file disables them again.
    """
    increment = case((is_disabled == disabled, 0), else_=1)
    values: dict[str, Any] = {"disabled": disabled, "token_generation": users.c.token_generation + increment}
    if not disabled:
        values |= {"enabled_in_roster": True, "left_roster": False}
    await connection.execute(update(users).where(users.c.id == user_id).values(values))


async def end_tokens(connection: AsyncConnection, user_id: int) -> None:
    """Ends all tokens of a user."""
    await connection.execute(
        update(users).where(users.c.id == user_id).values(token_generation=users.c.token_generation + 1)
    )


async def name_of_user(connection: AsyncConnection, user_id: int) -> str:
    """The given and family name, else the email, else ''."""
    c = users.c
    row = (await connection.execute(select(c.given_name, c.family_name, c.email).where(c.id == user_id))).one_or_none()
    return "" if row is None else f"{row.given_name} {row.family_name}".strip() or row.email or ""


async def school_ids(connection: AsyncConnection) -> list[int]:
    """Ids of all schools, in ascending order."""
    return [row[0] for row in await _SCHOOL_IDS.fetch_all(connection, {})]


async def keys_of_hashes(connection: AsyncConnection, hashes: Collection[str]) -> dict[str, StoredKey]:
    """The API keys with these secret hashes, by hash. Runs for every request that carries a key."""
    rows = await _KEYS_OF_HASHES.fetch_all(connection, input_rows({"hash": each} for each in hashes))
    return {secret_hash: StoredKey(*row) for secret_hash, *row in rows}


async def all_keys(connection: AsyncConnection) -> list[StoredKey]:
    """All API keys by id, revoked keys too."""
    return [StoredKey(*row) for row in await connection.execute(_KEY.order_by(api_keys.c.id))]


async def insert_key(
    connection: AsyncConnection,
    *,
    name: str,
    secret_hash: str,
    permissions: Sequence[str],
    schools: Sequence[int] | None,
    created_at: datetime,
) -> int:
    """Inserts an API key and returns the id."""
    values: dict[str, Any] = {"name": name, "secret_hash": secret_hash, "created_at": created_at}
    values["permissions"] = list(permissions)
    if schools is not None:  # None would be stored as JSON's null
        values["schools"] = list(schools)
    return int((await connection.execute(insert(api_keys).values(values).returning(api_keys.c.id))).scalar_one())


async def revoke_key(connection: AsyncConnection, key_id: int, revoked_at: datetime) -> bool:
    """Revokes a key. Keeps the time of an earlier revocation. Returns False if there is no such key."""
    changed = await connection.execute(
        update(api_keys)
        .where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
        .values(revoked_at=revoked_at)
        .returning(api_keys.c.id)
    )
    if changed.first() is not None:
        return True
    return (await connection.execute(select(api_keys.c.id).where(api_keys.c.id == key_id))).first() is not None


async def _delete_sign_ins(connection: AsyncConnection, user_id: int, condition: ColumnElement[bool]) -> None:
    """Locks them by id, then deletes them: requests that delete several do not wait for each other in a circle."""
    c = sign_ins.c
    locking = select(c.id).where(c.user_id == user_id, condition).order_by(c.id).with_for_update()
    ids = (await connection.scalars(locking)).all()
    if ids:
        await connection.execute(delete(sign_ins).where(c.id.in_(ids)))


async def _one(connection: AsyncConnection, query: Select[*tuple[Any, ...]]) -> StoredUser | None:
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else StoredUser(*row)
