"""Over HTTP, lists are read from a standby, and nobody misses in one what they have written or seen before."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest

from adsum import wiring
from adsum.accounts.access import Role
from adsum.platform.http.recency import AS_OF
from adsum.platform.settings import Settings
from tests.support.api import DAY, Api, opened_api
from tests.support.fixtures import TEMPLATE
from tests.support.schools import make_school
from tests.support.servers.standby import StandbyPair, standby_pair
from tests.support.waiting import until

LISTS = ("/attendances", "/attendances/batches", "/students", "/classes", "/sessions", "/absences")


@dataclass
class Replicated:
    """The API of an installation with a standby, and its servers."""

    api: Api
    pair: StandbyPair

    async def has_standby(self) -> bool:
        readiness = (await self.api.client.get("/readyz")).json()
        return readiness["checks"]["standby"] == "ok"

    async def is_read_from_standby(self, path: str, role: str = "office") -> bool:
        answer = await self.api.get(path, role)
        assert answer.status_code == 200, answer.text
        return AS_OF in answer.headers

    async def reads_from_standby(self) -> bool:
        return await self.is_read_from_standby("/students")

    def pause(self) -> None:
        self.pair.standby.postgres.ask(self.pair.database, "SELECT pg_wal_replay_pause()")


@pytest.fixture
async def replicated(replicated_pair: StandbyPair, redis_url: str) -> AsyncGenerator[Replicated]:
    async with opened_replicated(replicated_pair, redis_url) as found:
        yield found


@pytest.fixture
async def own_replicated(postgres_data: Path, redis_url: str) -> AsyncGenerator[Replicated]:
    """With servers that the test may stop."""
    with standby_pair(postgres_data, TEMPLATE) as pair:
        await pair.start()
        async with opened_replicated(pair, redis_url) as found:
            yield found


@asynccontextmanager
async def opened_replicated(pair: StandbyPair, redis_url: str) -> AsyncGenerator[Replicated]:
    settings = Settings(
        database_url=pair.url,
        database_read_url=pair.standby_url,
        redis_url=redis_url,
        secret_key="x" * 64,  # pyright: ignore[reportArgumentType]
    )
    async with wiring.open_adsum(settings) as adsum:
        async with adsum.database.transaction() as connection:
            school = await make_school(connection, students=2)
        async with opened_api(adsum, school) as api:
            found = Replicated(api, pair)
            await until(found.has_standby)
            await until(found.reads_from_standby)  # at first, everybody counts as having seen the primary
            yield found


async def test_lists_and_reports_say_how_old_their_data_are(replicated: Replicated) -> None:
    before = datetime.now(UTC)
    scope: dict[str, Any] = {"by": "class", "schoolId": replicated.api.school.school_id, "from": DAY, "to": DAY}
    answers = [await replicated.api.get(path) for path in LISTS]
    for answer in (*answers, await replicated.api.get("/reports/rates", **scope)):
        assert answer.status_code == 200, answer.text
        age = before - datetime.fromisoformat(answer.headers[AS_OF])
        assert age.total_seconds() < replicated.api.adsum.settings.database_read_max_lag
    metrics = (await replicated.api.get("/metrics", "operator")).text
    assert f'adsum_list_reads_total{{server="standby"}} {1 + len(LISTS) + 1}.0' in metrics
    (lag,) = re.findall(r"^adsum_standby_lag_seconds (\S+)$", metrics, re.MULTILINE)
    assert 0 <= float(lag) < replicated.api.adsum.settings.database_read_max_lag


async def test_a_caller_finds_what_they_have_written_and_others_a_little_later(replicated: Replicated) -> None:
    replicated.pause()
    assert (await replicated.api.create("office")).status_code == 202
    assert not await replicated.is_read_from_standby("/attendances/batches", "office")
    assert len((await replicated.api.get("/attendances/batches", "office")).json()["items"]) == 1
    assert await replicated.is_read_from_standby("/attendances/batches", "viewer")
    assert (await replicated.api.get("/attendances/batches", "viewer")).json()["items"] == []


async def test_a_caller_finds_what_they_have_seen_to_be_complete(replicated: Replicated) -> None:
    """The status of a batch is never read from the standby."""
    replicated.pause()
    batch_id = (await replicated.api.create("office")).json()["batchId"]
    status = await replicated.api.get(f"/attendances/batch-status/{batch_id}", "viewer")
    assert status.status_code == 200
    assert AS_OF not in status.headers
    assert not await replicated.is_read_from_standby("/attendances/batches", "viewer")


async def test_a_caller_finds_what_the_feed_of_events_has_shown(replicated: Replicated) -> None:
    """The receiver of a webhook asks for it before a list."""
    await replicated.api.sign_in(Role.ADMIN, replicated.api.school.school_id)
    await until(partial(replicated.is_read_from_standby, "/students", "admin"))
    assert (await replicated.api.get("/events", "admin")).status_code == 200
    assert not await replicated.is_read_from_standby("/students", "admin")


async def test_a_teacher_and_a_write_are_never_served_by_the_standby(replicated: Replicated) -> None:
    assert not await replicated.is_read_from_standby("/students", "teacher")
    response: httpx2.Response = await replicated.api.create("office")
    assert AS_OF not in response.headers


async def test_without_the_standby_adsum_is_ready(own_replicated: Replicated) -> None:
    await own_replicated.pair.standby.server.down()
    assert not await own_replicated.is_read_from_standby("/students")

    async def is_known() -> bool:
        readiness = await own_replicated.api.client.get("/readyz")
        assert (readiness.status_code, readiness.json()["status"]) == (200, "ok")
        return readiness.json()["checks"]["standby"] == "unreachable"

    await until(is_known)
