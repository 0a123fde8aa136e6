"""Statements on sign-ins."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, insert, or_, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.repository import USER_COLUMNS, StoredUser
from adsum.accounts.sign_ins.rules import SignIn, SignInKind
from adsum.accounts.tables import pending_sign_ins, sign_ins, users
from adsum.platform.database.sql_files import input_rows, sql_file

# Of one user and kind. A program that signs in for every request ends those of programs that were not used for the
# longest time, and none of a browser.
MAX_SIGN_INS = 200
MAX_DELETED = 1_000


@dataclass(frozen=True, slots=True)
class StoredSignIn:
    """One row of `sign_ins` with its user."""

    key: str
    id: int
    kind: str
    generation: int
    last_used_at: datetime
    confirmed_at: datetime | None
    has_second_factor: bool
    issuer: str | None
    user: StoredUser


@dataclass(frozen=True, slots=True)
class ProviderSession:
    """The provider at which a user signed in, and the hash of the session there, if it names one.

    `authenticated_at`: when the provider has asked the user who they are; None: it does not say, or a second factor of
    Adsum was given since.
    """

    issuer: str
    session: str | None
    authenticated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """One row of `pending_sign_ins`: a sign-in that lacks the second factor.

    Attributes:
        issuer: of the provider that has authenticated the user; None: their password.
        address, agent: of the client.
    """

    key: str
    user_id: int
    issuer: str | None
    address: str | None
    agent: str | None
    created_at: datetime
    ends_at: datetime


_SIGN_IN_COLUMNS = {
    "key": sign_ins.c.key.type,
    "sign_in_id": sign_ins.c.id.type,
    "kind": sign_ins.c.kind.type,
    "generation": sign_ins.c.generation.type,
    "last_used_at": sign_ins.c.last_used_at.type,
    "confirmed_at": sign_ins.c.confirmed_at.type,
    "has_second_factor": sign_ins.c.has_second_factor.type,
    "issuer": sign_ins.c.issuer.type,
} | USER_COLUMNS
_SIGN_INS_OF_KEYS = sql_file("adsum.accounts.sign_ins", "sign_ins_of_keys", returns=_SIGN_IN_COLUMNS)


async def sign_ins_of_keys(connection: AsyncConnection, keys: Collection[str]) -> dict[str, StoredSignIn]:
    """The sign-ins with these keys, by key. Runs for every request that carries a token."""
    rows = await _SIGN_INS_OF_KEYS.fetch_all(connection, input_rows({"key": key} for key in keys))
    return {row[0]: StoredSignIn(*row[:8], user=StoredUser(*row[8:])) for row in rows}


async def insert_sign_in(  # noqa: PLR0913 - the columns of a row
    connection: AsyncConnection,
    user: StoredUser,
    *,
    key: str,
    kind: str,
    agent: str,
    now: datetime,
    ends_at: datetime,
    has_second_factor: bool,
    provider: ProviderSession | None = None,
) -> None:
    """Inserts a sign-in, and deletes those of the user that have ended, or exceed `MAX_SIGN_INS` of this kind."""
    c = sign_ins.c
    is_over = or_(c.ends_at <= now, c.generation != user.token_generation)
    newest = select(c.id).where(c.user_id == user.id, c.kind == kind).order_by(c.last_used_at.desc(), c.id.desc())
    is_excess = c.id.in_(newest.offset(MAX_SIGN_INS - 1).limit(MAX_DELETED))
    await _delete_sign_ins(connection, user.id, or_(is_over, is_excess))
    values: dict[str, Any] = {"key": key, "user_id": user.id, "kind": kind, "generation": user.token_generation}
    values |= {"agent": agent, "created_at": now, "last_used_at": now, "ends_at": ends_at}
    values |= {"confirmed_at": now, "has_second_factor": has_second_factor}
    if provider is not None:
        # A provider may have let in a browser that it knows, without a question.
        confirmed_at = min(provider.authenticated_at or now, now)
        values |= {"issuer": provider.issuer, "provider_session": provider.session, "confirmed_at": confirmed_at}
    await connection.execute(insert(sign_ins).values(values))


async def note_use(connection: AsyncConnection, keys: Collection[str], now: datetime) -> None:
    """Notes that these sign-ins were used."""
    await connection.execute(
        update(sign_ins).where(sign_ins.c.key.in_(keys), sign_ins.c.last_used_at < now).values(last_used_at=now)
    )


async def confirm_sign_in(
    connection: AsyncConnection, user_id: int, sign_in_id: int, now: datetime, *, key: str, by_factor: bool
) -> datetime | None:
    """Notes that the user of a sign-in has proved that it is them, and replaces its key.

    `by_factor`: with a second factor. Returns when the sign-in ends; None: it has ended.
    """
    c = sign_ins.c
    values: dict[str, Any] = {"confirmed_at": now, "key": key} | ({"has_second_factor": True} if by_factor else {})
    confirming = update(sign_ins).where(c.id == sign_in_id, c.user_id == user_id).values(values)
    return (await connection.execute(confirming.returning(c.ends_at))).scalar_one_or_none()


async def sign_ins_of_user(connection: AsyncConnection, user_id: int, now: datetime) -> list[SignIn]:
    """The sign-ins of a user that have not ended, the last used one first."""
    c = sign_ins.c
    columns = (c.id, c.kind, c.agent, c.created_at, c.last_used_at, c.ends_at)
    query = (
        select(*columns)
        .join(users, users.c.id == c.user_id)
        .where(c.user_id == user_id, c.ends_at > now, c.generation == users.c.token_generation)
        .order_by(c.last_used_at.desc(), c.id.desc())
    )
    rows = await connection.execute(query)
    return [SignIn(id_, SignInKind(kind), *times) for id_, kind, *times in rows]


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


async def end_sign_in_of_key(connection: AsyncConnection, key: str) -> int | None:
    """Ends the sign-in with this key. Returns the id of its user; None: there is none."""
    ending = delete(sign_ins).where(sign_ins.c.key == key).returning(sign_ins.c.user_id)
    return (await connection.execute(ending)).scalar_one_or_none()


async def insert_pending(connection: AsyncConnection, pending: PendingSignIn) -> None:
    """Inserts a sign-in that lacks the second factor."""
    await connection.execute(insert(pending_sign_ins).values(asdict(pending)))


async def delete_pending(connection: AsyncConnection, key: str) -> None:
    """Deletes a sign-in that lacked the second factor: it is complete, or its failure is recorded."""
    await connection.execute(delete(pending_sign_ins).where(pending_sign_ins.c.key == key))


async def has_overdue_pending(connection: AsyncConnection, now: datetime) -> bool:
    """Whether the time of a sign-in that lacks the second factor is over."""
    is_overdue = exists().where(pending_sign_ins.c.ends_at <= now)
    return bool(await connection.scalar(select(is_overdue)))


async def take_overdue_pending(connection: AsyncConnection, now: datetime, limit: int) -> list[PendingSignIn]:
    """Deletes at most `limit` sign-ins whose time is over, the oldest first, and returns them. Skips locked ones."""
    c = pending_sign_ins.c
    due = select(c.id).where(c.ends_at <= now).order_by(c.id).limit(limit).with_for_update(skip_locked=True)
    ids = (await connection.scalars(due)).all()
    columns = [c[each.name] for each in fields(PendingSignIn)]
    rows = await connection.execute(select(*columns).where(c.id.in_(ids)).order_by(c.id))
    found = [PendingSignIn(*row) for row in rows]
    await connection.execute(delete(pending_sign_ins).where(c.id.in_(ids)))
    return found


async def delete_sign_ins(connection: AsyncConnection, user_id: int) -> None:
    """Deletes all sign-ins of a user, also those that lack the second factor."""
    await connection.execute(delete(pending_sign_ins).where(pending_sign_ins.c.user_id == user_id))
    await _delete_sign_ins(connection, user_id, true())


async def _delete_sign_ins(connection: AsyncConnection, user_id: int, condition: ColumnElement[bool]) -> None:
    """Locks them by id, then deletes them: requests that delete several do not wait for each other in a circle."""
    c = sign_ins.c
    locking = select(c.id).where(c.user_id == user_id, condition).order_by(c.id).with_for_update()
    ids = (await connection.scalars(locking)).all()
    if ids:
        await connection.execute(delete(sign_ins).where(c.id.in_(ids)))
