"""The answers to requests with an `Idempotency-Key`: the same request gets its first answer again, per caller.

A service claims the key first in the transaction that creates something, and stores the answer in it. A concurrent
request with the key waits for that transaction, and then finds the answer. See docs/decisions/0024.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from sqlalchemy import Column, Index, PrimaryKeyConstraint, String, Table, insert, update

from adsum.platform.database.columns import Instant, Json, metadata
from adsum.platform.database.engine import Connection
from adsum.platform.database.sql_files import input_rows, sql_file
from adsum.platform.errors import IdempotencyKeyReused, Violation

# The answer to a request with an Idempotency-Key, and the digest of its body. An answer is JSON null while an import of
# several transactions is under way.
idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("actor", String(64), nullable=False),
    Column("key", String(255), nullable=False),
    Column("body_digest", String(64), nullable=False),
    Column("answer", Json, nullable=False),
    Column("created_at", Instant, nullable=False),
    PrimaryKeyConstraint("actor", "key"),
    Index(None, "created_at"),
)

_FIND_ANSWERS = sql_file(
    "adsum.platform.database",
    "find_answers",
    returns={"actor": String, "key": String, "body_digest": String, "answer": Json},
)
_CLAIM_KEY = sql_file("adsum.platform.database", "claim_key", parameters={"created_at": Instant()})

Result_contra = TypeVar("Result_contra", contravariant=True)
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class AnswerKey:
    """An `Idempotency-Key` and its owner."""

    actor: str
    key: str


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The first answer under an idempotency key, and the digest of the request that it answers. None: not yet."""

    body_digest: str
    answer: dict[str, Any] | None

    def require_same(self, digest: str) -> None:
        """Raises IdempotencyKeyReused if the answer is that to another request."""
        if self.body_digest != digest:
            detail = "this Idempotency-Key was sent before with another body"
            raise IdempotencyKeyReused(detail, [Violation(IdempotencyKeyReused.code, detail)])


@dataclass(frozen=True, slots=True)
class KeyedRequest(Generic[Result_contra]):
    """A request that is executed once under its idempotency key.

    Attributes:
        key: of the request.
        digest: of the request without its key. Databases store it: equal requests must always have equal digests.
        at: the time of the request.
        to_json: the answer for a result. It must contain no secret: see docs/decisions/0024.
    """

    key: AnswerKey
    digest: str
    at: datetime
    to_json: Callable[[Result_contra], dict[str, Any]]


class AlreadyAnswered(Exception):
    """The request was executed before. `answer` is the first answer."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__()
        self.answer = answer


async def claim_key(connection: Connection, keyed: KeyedRequest[Any] | None) -> None:
    """Begins a request. Call it first in the transaction, before anything is locked. None: it has no key.

    Raises:
        AlreadyAnswered: the request was executed before, with this answer.
        IdempotencyKeyReused: the key belongs to another request.
    """
    if keyed is None:
        return
    values = {**_columns(keyed.key), "body_digest": keyed.digest, "created_at": keyed.at}
    if not await _CLAIM_KEY.fetch_all(connection, values):
        await require_unanswered(connection, keyed)


async def require_unanswered(connection: Connection, keyed: KeyedRequest[Any] | None) -> None:
    """Raises as `claim_key`. Writes nothing."""
    if keyed is None:
        return
    stored = (await find_answers(connection, [keyed.key])).get(keyed.key)
    if stored is not None:
        stored.require_same(keyed.digest)
        if stored.answer is not None:
            raise AlreadyAnswered(stored.answer)


async def store_result(connection: Connection, keyed: KeyedRequest[Result] | None, result: Result) -> None:
    """Stores the answer to a request whose key is claimed. Call it last in the transaction."""
    if keyed is None:
        return
    c = idempotency_keys.c
    claimed = (c.actor == keyed.key.actor) & (c.key == keyed.key.key)
    await connection.execute(update(idempotency_keys).where(claimed).values(answer=keyed.to_json(result)))


async def find_answers(connection: Connection, keys: Collection[AnswerKey]) -> dict[AnswerKey, StoredAnswer]:
    """The stored answers of these keys."""
    found = await _FIND_ANSWERS.fetch_all(connection, input_rows(map(_columns, keys)))
    return {AnswerKey(actor, key): StoredAnswer(digest, answer) for actor, key, digest, answer in found}


async def store_answers(connection: Connection, answers: Mapping[AnswerKey, StoredAnswer], now: datetime) -> None:
    """Stores answers under keys that are not claimed, in the transaction that they confirm.

    Raises:
        RejectedRows: (from the transaction) another request has stored an answer under one of these keys.
    """
    rows = [
        {**_columns(key), "body_digest": stored.body_digest, "answer": stored.answer, "created_at": now}
        # In the order of the keys, so that two transactions with the same keys wait for each other and do not deadlock.
        for key, stored in sorted(answers.items(), key=lambda item: (item[0].actor, item[0].key))
    ]
    if rows:
        await connection.execute(insert(idempotency_keys), rows)


def _columns(key: AnswerKey) -> dict[str, str]:
    return {"actor": key.actor, "key": key.key}
