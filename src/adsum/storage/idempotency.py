"""What was answered to requests that carried an `Idempotency-Key`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.storage.tables import idempotency_keys


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """The first answer under a key, and the digest of the body that it answered."""

    body_digest: str
    answer: dict[str, Any]


async def find_answer(connection: AsyncConnection, actor: str, key: str) -> KeptAnswer | None:
    """The answer that this actor was given under this key."""
    c = idempotency_keys.c
    row = (
        await connection.execute(select(c.body_digest, c.answer).where(c.actor == actor, c.key == key))
    ).one_or_none()
    return KeptAnswer(row.body_digest, row.answer) if row is not None else None


async def keep_answer(
    connection: AsyncConnection, actor: str, key: str, body_digest: str, answer: dict[str, Any], now: datetime
) -> None:
    """Keeps an answer, in the transaction that it answers for.

    Raises:
        RejectedRows: (at the transaction) another request was faster with this key.
    """
    await connection.execute(
        insert(idempotency_keys).values(actor=actor, key=key, body_digest=body_digest, answer=answer, created_at=now)
    )
