"""Statements on API keys. Of a secret only its hash is stored."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.accounts.tables import api_keys
from adsum.platform.database.sql_files import input_rows, sql_file


@dataclass(frozen=True, slots=True)
class StoredKey:
    """One row of `api_keys`. `schools` None: all schools."""

    id: int
    name: str
    permissions: Sequence[str]
    schools: Sequence[int] | None
    created_at: datetime
    revoked_at: datetime | None


_KEY = select(
    api_keys.c.id,
    api_keys.c.name,
    api_keys.c.permissions,
    api_keys.c.schools,
    api_keys.c.created_at,
    api_keys.c.revoked_at,
)
_KEY_COLUMNS = {column.name: column.type for column in (api_keys.c.secret_hash, *_KEY.selected_columns)}
_KEYS_OF_HASHES = sql_file("adsum.accounts.api_keys", "keys_of_hashes", returns=_KEY_COLUMNS)


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
