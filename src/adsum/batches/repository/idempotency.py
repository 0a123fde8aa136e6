"""What was answered to requests that carried an `Idempotency-Key`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import String, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.batches.tables import idempotency_keys
from adsum.platform.database.columns import Json
from adsum.platform.database.sql_files import input_rows, sql_file

_FIND_ANSWERS = sql_file(
    "adsum.batches",
    "find_answers",
    returns={"actor": String, "key": String, "body_digest": String, "answer": Json},
)


@dataclass(frozen=True, slots=True)
class AnswerKey:
    """An `Idempotency-Key`, and whose it is."""

    actor: str
    key: str


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """The first answer under a key, and the digest of the body that it answered."""

    body_digest: str
    answer: dict[str, Any]


async def find_answers(connection: AsyncConnection, keys: Collection[AnswerKey]) -> dict[AnswerKey, KeptAnswer]:
    """Those of these keys under which something was answered."""
    rows = input_rows({"actor": each.actor, "key": each.key} for each in keys)
    found = await _FIND_ANSWERS.fetch_all(connection, rows)
    return {AnswerKey(actor, key): KeptAnswer(digest, answer) for actor, key, digest, answer in found}


async def keep_answers(connection: AsyncConnection, answers: Mapping[AnswerKey, KeptAnswer], now: datetime) -> None:
    """Keeps answers, in the transaction that they answer for.

    Raises:
        RejectedRows: (at the transaction) another request was faster with one of these keys.
    """
    rows = [
        {
            "actor": key.actor,
            "key": key.key,
            "body_digest": kept.body_digest,
            "answer": kept.answer,
            "created_at": now,
        }
        # In the order of the keys, so that two who keep the same ones wait for each other, and do not deadlock.
        for key, kept in sorted(answers.items(), key=lambda item: (item[0].actor, item[0].key))
    ]
    if rows:
        await connection.execute(insert(idempotency_keys), rows)
