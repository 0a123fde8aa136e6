"""Stored answers, by the actor and the key of the request."""

from __future__ import annotations

import asyncio
from typing import Any

from adsum.platform.database.answers import AnswerKey, StoredAnswer, find_answers, store_answers
from adsum.platform.database.engine import Database, RejectedRows
from tests.support.runs import LATER

KEY = AnswerKey("user-1", "key")


async def test_a_response_is_stored_under_its_actor_and_key(database: Database) -> None:
    answer: dict[str, Any] = {"batchId": "x", "conflicts": [], "text": "'ü\U0001f68c"}
    async with database.transaction() as connection:
        await store_answers(connection, {KEY: StoredAnswer("digest", answer)}, LATER)
        keys = [KEY, AnswerKey("user-2", "key"), AnswerKey("user-1", "KEY")]
        assert await find_answers(connection, keys) == {KEY: StoredAnswer("digest", answer)}


async def test_a_key_is_stored_once(database: Database) -> None:
    async def keep() -> None:
        async with database.transaction() as connection:
            await store_answers(connection, {KEY: StoredAnswer("digest", {})}, LATER)

    results = await asyncio.gather(*(keep() for _ in range(5)), return_exceptions=True)
    assert [results.count(None), sum(isinstance(result, RejectedRows) for result in results)] == [1, 4]
