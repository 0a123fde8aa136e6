"""Statements on identities, and on the sign-ins that began at a provider."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.single_sign_on.rules import Identity
from adsum.accounts.tables import identities, sign_ins


@dataclass(frozen=True, slots=True)
class StoredIdentity:
    """One row of `identities`."""

    id: int
    user_id: int
    issuer: str
    subject: str
    email: str | None
    created_at: datetime
    last_used_at: datetime | None


async def user_id_of_identity(connection: AsyncConnection, issuer: str, subject: str) -> int | None:
    """The user with this identity."""
    c = identities.c
    found: int | None = await connection.scalar(select(c.user_id).where(c.issuer == issuer, c.subject == subject))
    return found


async def identities_of_users(connection: AsyncConnection, user_ids: Collection[int]) -> list[StoredIdentity]:
    """The identities of these users, by issuer."""
    c = identities.c
    query = select(*(c[each.name] for each in fields(StoredIdentity))).where(c.user_id.in_(sorted(user_ids)))
    return [StoredIdentity(*row) for row in await connection.execute(query.order_by(c.user_id, c.issuer))]


async def note_use_of_identity(connection: AsyncConnection, identity: Identity, now: datetime) -> None:
    """Notes a sign-in at a provider, and the email that the provider names."""
    c = identities.c
    of_identity = update(identities).where(c.issuer == identity.issuer, c.subject == identity.subject)
    await connection.execute(of_identity.values(email=identity.email, last_used_at=now))


async def insert_identity(connection: AsyncConnection, user_id: int, identity: Identity, now: datetime) -> None:
    """Inserts an identity that is used now. Raises RejectedRows if it is another user's, or the user has one of this
    issuer.
    """
    values = {"issuer": identity.issuer, "subject": identity.subject, "email": identity.email}
    values |= {"user_id": user_id, "created_at": now, "last_used_at": now}
    await connection.execute(insert(identities).values(values))


async def delete_identity(connection: AsyncConnection, user_id: int, identity_id: int) -> bool:
    """Deletes an identity of a user. Returns False if there is none."""
    c = identities.c
    deleting = delete(identities).where(c.user_id == user_id, c.id == identity_id).returning(c.id)
    return (await connection.execute(deleting)).first() is not None


async def issuer_of_sign_in(connection: AsyncConnection, key: str) -> str | None:
    """The issuer at which a sign-in began."""
    issuer: str | None = await connection.scalar(select(sign_ins.c.issuer).where(sign_ins.c.key == key))
    return issuer


async def end_sign_ins_of_provider(
    connection: AsyncConnection, issuer: str, *, subject: str | None, session: str | None
) -> dict[int, int]:
    """Ends the sign-ins of a session at a provider, of a subject there, or of both. Returns their number by user.

    Locks them by id, as every deletion of several sign-ins.
    """
    c = sign_ins.c
    query = select(c.id, c.user_id).where(c.issuer == issuer).order_by(c.id).with_for_update()
    if session is not None:
        # The provider may not have named the session when the sign-in began.
        is_of_session = c.provider_session == session
        query = query.where(is_of_session if subject is None else or_(is_of_session, c.provider_session.is_(None)))
    if subject is not None:
        of_subject = select(identities.c.user_id).where(identities.c.issuer == issuer, identities.c.subject == subject)
        query = query.where(c.user_id.in_(of_subject))
    found = {row.id: row.user_id for row in await connection.execute(query)}
    if found:
        await connection.execute(delete(sign_ins).where(c.id.in_(list(found))))
    return Counter(found.values())
