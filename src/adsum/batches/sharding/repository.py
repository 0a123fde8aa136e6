"""Statements about the numbers of shards that were used."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.batches.tables import queue_shards


async def numbers_of_shards(connection: AsyncConnection) -> list[int]:
    """All numbers that were used, the last one first."""
    c = queue_shards.c
    rows = await connection.scalars(select(c.shards).order_by(c.used_at.desc(), c.shards))
    return list(rows)


async def remember_number(connection: AsyncConnection, shards: int, began: datetime) -> None:
    """Notes when a process that uses a number began. Of several, the last one counts."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(queue_shards).values(shards=shards, used_at=began)
    later = statement.excluded.used_at
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["shards"], set_={"used_at": later}, where=later > queue_shards.c.used_at
        )
    )
