"""Statements on second factors. Of a recovery code only its hash is stored, of a secret only its encrypted form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, not_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.second_factors.passkeys import KnownPasskey, NewPasskey
from adsum.accounts.second_factors.rules import FactorKind
from adsum.accounts.second_factors.tables import passkeys, recovery_codes, totp_apps
from adsum.accounts.tables import is_erased, sign_ins, users

_TABLES = {FactorKind.PASSKEY: passkeys, FactorKind.TOTP: totp_apps}


@dataclass(frozen=True, slots=True)
class FactorRow:
    """A passkey or an authenticator app, for a list."""

    id: int
    name: str
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoredApp:
    """The stored values of an authenticator app that check its codes."""

    id: int
    sealed_secret: str
    last_step: int


async def lock_user(connection: AsyncConnection, user_id: int) -> bool:
    """Locks the user until the end of the transaction: changes of their factors wait for each other.

    Rows that refer to the user, such as sign-ins, can be inserted meanwhile. Returns False if the user is erased.
    """
    found = select(users.c.id).where(users.c.id == user_id, not_(is_erased)).with_for_update(key_share=True)
    return await connection.scalar(found) is not None


async def factors_of_user(connection: AsyncConnection, user_id: int, kind: FactorKind) -> list[FactorRow]:
    """The passkeys or the apps of a user, by id."""
    c = _TABLES[kind].c
    query = select(c.id, c.name, c.created_at, c.last_used_at).where(c.user_id == user_id).order_by(c.id)
    return [FactorRow(*row) for row in await connection.execute(query)]


async def count_recovery_codes(connection: AsyncConnection, user_id: int) -> int:
    """How many recovery codes of a user were not used."""
    c = recovery_codes.c
    query = select(func.count()).select_from(recovery_codes).where(c.user_id == user_id, c.used_at.is_(None))
    return int((await connection.execute(query)).scalar_one())


async def passkeys_of_user(connection: AsyncConnection, user_id: int) -> list[KnownPasskey]:
    """The passkeys of a user, to address them and to check their answers."""
    c = passkeys.c
    columns = (c.id, c.user_id, c.credential_id, c.public_key, c.transports, c.sign_count)
    query = select(*columns).where(c.user_id == user_id).order_by(c.id)
    return [KnownPasskey(*row) for row in await connection.execute(query)]


async def passkey_of_credential(connection: AsyncConnection, credential_id: str) -> tuple[KnownPasskey, str] | None:
    """The passkey with this credential id, and the handle of its user."""
    c = passkeys.c
    columns = (c.id, c.user_id, c.credential_id, c.public_key, c.transports, c.sign_count)
    query = (
        select(*columns, users.c.passkey_handle)
        .join(users, users.c.id == c.user_id)
        .where(c.credential_id == credential_id)
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else (KnownPasskey(*row[:6]), row[6])


async def passkey_handle(connection: AsyncConnection, user_id: int, new: str) -> str:
    """The handle under which passkeys know a user. Stores `new` if the user has none yet."""
    c = users.c
    without = update(users).where(c.id == user_id, c.passkey_handle.is_(None)).values(passkey_handle=new)
    await connection.execute(without)
    return str((await connection.execute(select(c.passkey_handle).where(c.id == user_id))).scalar_one())


async def insert_passkey(connection: AsyncConnection, user_id: int, name: str, new: NewPasskey, now: datetime) -> None:
    """Inserts a passkey. Raises RejectedRows if its credential id is taken."""
    values = {"user_id": user_id, "name": name, "created_at": now, "sign_count": new.sign_count}
    values |= {"credential_id": new.credential_id, "public_key": new.public_key, "transports": new.transports}
    await connection.execute(insert(passkeys).values(values))


async def use_passkey(
    connection: AsyncConnection, known: KnownPasskey, sign_count: int, challenge_made_at: int, now: datetime
) -> bool:
    """Stores the counter and the challenge of an answer. Returns False if it has answered this or a later one."""
    c = passkeys.c
    used = (
        update(passkeys)
        .where(c.id == known.id, c.sign_count == known.sign_count, c.last_challenge < challenge_made_at)
        .values(sign_count=sign_count, last_challenge=challenge_made_at, last_used_at=now)
        .returning(c.id)
    )
    return (await connection.execute(used)).first() is not None


async def apps_of_user(connection: AsyncConnection, user_id: int) -> list[StoredApp]:
    """The authenticator apps of a user, to check their codes."""
    c = totp_apps.c
    query = select(c.id, c.sealed_secret, c.last_step).where(c.user_id == user_id).order_by(c.id)
    return [StoredApp(*row) for row in await connection.execute(query)]


async def insert_app(
    connection: AsyncConnection, user_id: int, *, name: str, sealed_secret: str, last_step: int, now: datetime
) -> None:
    """Inserts an authenticator app."""
    values = {"user_id": user_id, "name": name, "sealed_secret": sealed_secret, "last_step": last_step}
    await connection.execute(insert(totp_apps).values(values | {"created_at": now}))


async def use_app(connection: AsyncConnection, app_id: int, step: int, now: datetime) -> bool:
    """Stores the time step of a code. Returns False if this or a later one was used."""
    c = totp_apps.c
    used = update(totp_apps).where(c.id == app_id, c.last_step < step).values(last_step=step, last_used_at=now)
    return (await connection.execute(used.returning(c.id))).first() is not None


async def set_sealed_secret(connection: AsyncConnection, app_id: int, sealed_secret: str) -> None:
    """Replaces the encrypted secret of an app, after the signing key has changed."""
    await connection.execute(update(totp_apps).where(totp_apps.c.id == app_id).values(sealed_secret=sealed_secret))


async def replace_recovery_codes(connection: AsyncConnection, user_id: int, hashes: Sequence[str]) -> None:
    """Deletes the recovery codes of a user, and inserts others."""
    await connection.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    if hashes:
        rows = [{"user_id": user_id, "code_hash": each} for each in hashes]
        await connection.execute(insert(recovery_codes), rows)


async def use_recovery_code(connection: AsyncConnection, user_id: int, code_hash: str, now: datetime) -> bool:
    """Uses up a recovery code. Returns False if the user has no such code, or has used it."""
    c = recovery_codes.c
    used = (
        update(recovery_codes)
        .where(c.user_id == user_id, c.code_hash == code_hash, c.used_at.is_(None))
        .values(used_at=now)
        .returning(c.id)
    )
    return (await connection.execute(used)).first() is not None


async def rename_factor(connection: AsyncConnection, user_id: int, kind: FactorKind, factor_id: int, name: str) -> bool:
    """Renames a passkey or an app of this user. Returns False if there is none."""
    table = _TABLES[kind]
    renamed = update(table).where(table.c.id == factor_id, table.c.user_id == user_id).values(name=name)
    return (await connection.execute(renamed.returning(table.c.id))).first() is not None


async def delete_factor(connection: AsyncConnection, user_id: int, kind: FactorKind, factor_id: int) -> bool:
    """Deletes a passkey or an app of this user. Returns False if there is none."""
    table = _TABLES[kind]
    deleted = delete(table).where(table.c.id == factor_id, table.c.user_id == user_id).returning(table.c.id)
    return (await connection.execute(deleted)).first() is not None


async def delete_factors(connection: AsyncConnection, user_id: int) -> bool:
    """Deletes all factors of a user with their recovery codes. Returns False if there were none."""
    found = False
    for table in (passkeys, totp_apps, recovery_codes):
        deleted = await connection.execute(delete(table).where(table.c.user_id == user_id).returning(table.c.id))
        found = deleted.first() is not None or found
    return found


async def keep_only_sign_in(connection: AsyncConnection, user_id: int, sign_in_id: int) -> None:
    """Ends all sign-ins of a user but this one, which has a second factor from now on. Also those under way."""
    c = users.c
    incremented = update(users).where(c.id == user_id).values(token_generation=c.token_generation + 1)
    generation = (await connection.execute(incremented.returning(c.token_generation))).scalar_one()
    await connection.execute(
        update(sign_ins)
        .where(sign_ins.c.id == sign_in_id, sign_ins.c.user_id == user_id)
        .values(generation=generation, has_second_factor=True)
    )
