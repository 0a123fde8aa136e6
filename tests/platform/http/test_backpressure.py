"""With a slow database, the API refuses requests early with `Retry-After`, and serves again when it is quick again."""

from __future__ import annotations

import asyncio

import httpx2
import pytest
from sqlalchemy import text

from adsum import wiring
from adsum.platform.database import admission, lookups
from adsum.platform.settings import Settings
from tests.support.api import Api, opened_api
from tests.support.schools import make_school
from tests.support.waiting import until

CONNECTIONS = 2


async def refused_at_once(api: Api, slow: list[asyncio.Task[httpx2.Response]]) -> httpx2.Response:
    """The first answer 503. Requests that wait are added to the slow ones."""
    refused: list[httpx2.Response] = []

    async def is_refused() -> bool:
        late = asyncio.create_task(api.get("/classes", "viewer"))
        await asyncio.wait([late], timeout=0.05)
        if not late.done():
            slow.append(late)
            return False
        refused[:] = [await late]
        return refused[0].status_code == 503

    await until(is_refused)
    return refused[0]


async def test_a_slow_database_makes_the_api_refuse_at_once(
    postgres_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (admission, lookups):
        monkeypatch.setattr(module, "REFUSE_AFTER_S", 0.2)
    settings = Settings(
        database_url=postgres_url,
        redis_url=redis_url,
        secret_key="x" * 64,  # pyright: ignore[reportArgumentType]
        database_connections=CONNECTIONS,
    )
    async with wiring.open_adsum(settings) as adsum:
        async with adsum.database.transaction() as connection:
            school = await make_school(connection, students=2)
        async with opened_api(adsum, school) as api:
            async with adsum.database.transaction() as lock:
                await lock.execute(text("LOCK TABLE attendances IN ACCESS EXCLUSIVE MODE"))
                slow = [asyncio.create_task(api.get("/attendances")) for _ in range(CONNECTIONS + 2)]
                refused = await refused_at_once(api, slow)
                assert refused.json()["code"] == "overloaded"
                assert 1 <= int(refused.headers["Retry-After"]) <= 5
            answers = await asyncio.gather(*slow)
            assert {answer.status_code for answer in answers[: CONNECTIONS + 2]} == {200}
            assert (await api.get("/classes", "viewer")).status_code == 200
