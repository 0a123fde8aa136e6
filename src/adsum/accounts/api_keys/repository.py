"""Statements on API keys. Of a secret only its hash is stored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, literal, null, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.tables import api_keys, former_secrets, is_disabled, users
from adsum.platform.database.sql_files import input_rows, sql_file


@dataclass(frozen=True, slots=True)
class FoundKey:
    """The key of a secret, for a request. `secret_ends_at` None: the secret is the present one."""

    secret_hash: str
    id: int
    permissions: Sequence[str]
    schools: Sequence[int] | None
    networks: Sequence[str] | None
    expires_at: datetime | None
    revoked_at: datetime | None
    secret_ends_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """A secret of a key. `ends_at` None: the present one."""

    created_at: datetime
    ends_at: datetime | None
    last_used_at: datetime | None
    last_address: str | None


@dataclass(frozen=True, slots=True)
class StoredKey:
    """One row of `api_keys` with its owner and its secrets, the present one first. `schools` None: all schools."""

    id: int
    name: str
    permissions: Sequence[str]
    schools: Sequence[int] | None
    created_at: datetime
    revoked_at: datetime | None
    expires_at: datetime | None
    networks: Sequence[str] | None
    owner_id: int | None
    owner_email: str | None
    owner_disabled: bool | None
    secrets: Sequence[StoredSecret]


_FOUND_COLUMNS = {
    "secret_hash": api_keys.c.secret_hash.type,
    "id": api_keys.c.id.type,
    "permissions": api_keys.c.permissions.type,
    "schools": api_keys.c.schools.type,
    "networks": api_keys.c.networks.type,
    "expires_at": api_keys.c.expires_at.type,
    "revoked_at": api_keys.c.revoked_at.type,
    "secret_ends_at": former_secrets.c.ends_at.type,
    "last_used_at": api_keys.c.last_used_at.type,
}
_SCHOOL_NAMES = sql_file("adsum.accounts.api_keys", "school_names")
_KEYS_OF_HASHES = sql_file("adsum.accounts.api_keys", "keys_of_hashes", returns=_FOUND_COLUMNS)


async def keys_of_hashes(connection: AsyncConnection, hashes: Collection[str]) -> dict[str, FoundKey]:
    """The API keys with these secret hashes, by hash. Runs for every request that carries a key."""
    rows = await _KEYS_OF_HASHES.fetch_all(connection, input_rows({"hash": each} for each in hashes))
    return {row[0]: FoundKey(*row) for row in rows}


async def note_use(
    connection: AsyncConnection, key: FoundKey, address: str | None, now: datetime, noted_until: datetime
) -> None:
    """Notes the use of a secret, unless another process has noted one after `noted_until`."""
    table = api_keys if key.secret_ends_at is None else former_secrets
    is_due = or_(table.c.last_used_at.is_(None), table.c.last_used_at <= noted_until)
    noting = update(table).where(table.c.secret_hash == key.secret_hash, is_due)
    await connection.execute(noting.values(last_used_at=now, last_address=address))


async def all_keys(connection: AsyncConnection) -> list[StoredKey]:
    """All API keys by id, revoked keys too."""
    return await _keys(connection)


async def key_of_id(connection: AsyncConnection, key_id: int, *, locked: bool = False) -> StoredKey | None:
    """The API key, or None. `locked`: until the end of the transaction nobody else changes it."""
    if locked:
        await connection.execute(select(api_keys.c.id).where(api_keys.c.id == key_id).with_for_update())
    found = await _keys(connection, key_id)
    return found[0] if found else None


async def keys_of_owner(connection: AsyncConnection, owner_id: int, *, locked: bool = False) -> list[StoredKey]:
    """The keys of a user that are not revoked, by id. `locked`: as in `key_of_id`."""
    k = api_keys.c
    owned = select(k.id).where(k.owner_id == owner_id, k.revoked_at.is_(None)).order_by(k.id)
    ids = (await connection.scalars(owned.with_for_update() if locked else owned)).all()
    return [key for key_id in ids for key in await _keys(connection, key_id)]


async def set_owner(connection: AsyncConnection, key_ids: Collection[int], owner_id: int) -> None:
    """Gives these keys another owner."""
    await connection.execute(update(api_keys).where(api_keys.c.id.in_(key_ids)).values(owner_id=owner_id))


async def _keys(connection: AsyncConnection, key_id: int | None = None) -> list[StoredKey]:
    k, s = api_keys.c, former_secrets.c
    is_wanted = literal(value=True) if key_id is None else k.id == key_id
    query = (
        select(
            *(k.id, k.name, k.permissions, k.schools, k.created_at, k.revoked_at, k.expires_at, k.networks),
            *(k.owner_id, users.c.email, is_disabled),
            *(func.coalesce(k.secret_created_at, k.created_at), k.last_used_at, k.last_address),
        )
        .outerjoin(users, users.c.id == k.owner_id)
        .where(is_wanted)
        .order_by(k.id)
    )
    former = select(s.api_key_id, s.created_at, s.ends_at, s.last_used_at, s.last_address)
    if key_id is not None:
        former = former.where(s.api_key_id == key_id)
    by_key = defaultdict[int, list[StoredSecret]](list)
    rows = (await connection.execute(query)).all()
    for of_key, *secret in await connection.execute(former.order_by(s.id.desc())):
        by_key[of_key].append(StoredSecret(*secret))
    return [
        StoredKey(*row[:11], secrets=[StoredSecret(row[11], None, row[12], row[13]), *by_key[row[0]]]) for row in rows
    ]


async def school_names(connection: AsyncConnection) -> dict[int, str]:
    """The names of all schools, by id."""
    return {row[0]: row[1] for row in await _SCHOOL_NAMES.fetch_all(connection, {})}


async def insert_key(connection: AsyncConnection, values: Mapping[str, Any]) -> int:
    """Inserts an API key with these columns and returns the id."""
    values = {**values, "schools": _json(values["schools"]), "networks": _json(values["networks"])}
    return int((await connection.execute(insert(api_keys).values(values).returning(api_keys.c.id))).scalar_one())


async def update_key(connection: AsyncConnection, key_id: int, values: Mapping[str, Any]) -> None:
    """Sets the name, the owner, the expiry and the networks of a key."""
    values = {**values, "networks": _json(values["networks"])}
    await connection.execute(update(api_keys).where(api_keys.c.id == key_id).values(values))


async def replace_secret(
    connection: AsyncConnection, key_id: int, secret_hash: str, now: datetime, ends_at: datetime
) -> None:
    """Makes the present secret a former one, and ends it and all earlier ones at this time, if not before."""
    k, s = api_keys.c, former_secrets.c
    await connection.execute(
        update(former_secrets).where(s.api_key_id == key_id, s.ends_at > ends_at).values(ends_at=ends_at)
    )
    present = select(
        *(k.id, k.secret_hash, func.coalesce(k.secret_created_at, k.created_at)),
        *(literal(ends_at, s.ends_at.type), k.last_used_at, k.last_address),
    ).where(k.id == key_id)
    names = ["api_key_id", "secret_hash", "created_at", "ends_at", "last_used_at", "last_address"]
    await connection.execute(insert(former_secrets).from_select(names, present))
    values: dict[str, Any] = {"secret_hash": secret_hash, "secret_created_at": now}
    values |= {"last_used_at": None, "last_address": None}
    await connection.execute(update(api_keys).where(k.id == key_id).values(values))


async def revoke_key(connection: AsyncConnection, key_id: int, revoked_at: datetime) -> None:
    """Revokes a key. Keeps the time of an earlier revocation."""
    await connection.execute(
        update(api_keys).where(api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None)).values(revoked_at=revoked_at)
    )


def _json(values: Sequence[Any] | None) -> Any:
    return null() if values is None else list(values)  # None would be stored as JSON's null
