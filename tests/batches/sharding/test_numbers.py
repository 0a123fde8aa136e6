"""The number of shards may change: what waits in earlier ones is processed in the present ones."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from adsum import wiring
from adsum.batches.queue.control import QueueControl
from adsum.batches.repository import runs
from adsum.batches.sharding.service import number_of_shards, require_present_number
from adsum.platform.clock import system_clock
from adsum.platform.database.engine import open_database
from adsum.platform.errors import ConfigurationError
from adsum.platform.redis.connection import QueueOutage
from adsum.platform.settings import Settings
from adsum.wiring import Adsum, open_queue_control
from tests.batches.test_shards import all_ended, submit, working
from tests.support.runs import batch_of
from tests.support.schools import SchoolIds, make_school
from tests.support.servers.cluster import PATIENT_MS, PRIMARIES, Cluster, running_cluster
from tests.support.statements import count_of, statements_sent


@pytest.fixture(scope="module")
def cluster() -> Generator[Cluster]:
    with running_cluster(PATIENT_MS) as running:
        yield running


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Settings:
    return Settings(
        database_url=database_url,
        redis_url=redis_url,
        secret_key="x" * 64,  # pyright: ignore[reportArgumentType]
        chunk_size=2,
        sweep_grace=0,
    )


@pytest.fixture
async def schools(adsum: Adsum) -> list[SchoolIds]:
    async with adsum.database.transaction() as connection:
        return [await make_school(connection) for _ in range(4)]


@asynccontextmanager
async def with_shards(settings: Settings, number: int) -> AsyncGenerator[Adsum]:
    """The services of a process with another number of shards."""
    async with wiring.open_adsum(settings.model_copy(update={"queue_shards": number})) as opened:
        yield opened


async def sweep(adsum: Adsum) -> None:
    """What the sweepers of a worker do in one pass."""
    for sweeper in adsum.sweepers:
        await sweeper.sweep()
    await adsum.earlier_shards.empty_if_due()


async def keys(adsum: Adsum) -> list[str]:
    redis: Any = adsum.shards.home.redis
    return sorted([name async for name in redis.scan_iter()])


@pytest.mark.parametrize("number", [3, 1])
async def test_what_waits_in_shards_of_an_earlier_number_is_processed_in_the_present_ones(
    adsum: Adsum, schools: list[SchoolIds], settings: Settings, number: int
) -> None:
    async with with_shards(settings, 2) as earlier:
        await sweep(earlier)
        accepted = await submit(earlier, schools)
    async with with_shards(settings, number) as present, working(present, present.shards):
        await sweep(present)
        assert [status.tally.recorded for status in await all_ended(present, accepted)] == [3] * len(schools)
        assert not [name for name in await keys(present) if "-of-2-" in name and "bull" in name]


async def test_a_queue_without_shards_is_emptied_although_no_number_is_remembered(
    adsum: Adsum, schools: list[SchoolIds], settings: Settings
) -> None:
    accepted = await submit(adsum, schools)
    async with with_shards(settings, 3) as present:
        assert await present.earlier_shards.waiting(1) == 2 * len(schools)
        for _ in range(2):  # the second time, nothing is due
            await sweep(present)
        assert await present.earlier_shards.waiting(1) == 0
        async with working(present, present.shards):
            await all_ended(present, accepted)


async def test_a_paused_queue_stays_paused(adsum: Adsum, schools: list[SchoolIds], settings: Settings) -> None:
    assert schools
    await adsum.queue_control.pause()
    async with with_shards(settings, 2) as present:
        await sweep(present)
        assert await present.queue_control.is_paused()


async def test_a_number_is_remembered_once_by_all_processes(adsum: Adsum, settings: Settings) -> None:
    async with with_shards(settings, 3) as one, with_shards(settings, 3) as other:
        await sweep(one)
        with statements_sent(other.database) as sent:
            await sweep(other)
    assert count_of(sent, "INSERT INTO queue_shards") == 0


@pytest.mark.parametrize("number", [1, 2])
async def test_a_process_that_began_with_an_earlier_number_empties_nothing_although_it_leads_later(
    adsum: Adsum, schools: list[SchoolIds], settings: Settings, number: int
) -> None:
    async with with_shards(settings, number) as old, with_shards(settings, 3) as new:
        await sweep(new)
        await submit(new, schools)
        waiting = await new.queue.depth()
        for _ in range(2):
            old.earlier_shards._due = 0.0  # pyright: ignore[reportPrivateUsage] - as if a minute had passed
            await sweep(old)
        assert list((await old.earlier_shards.used()).later) == [3]
        assert list((await new.earlier_shards.used()).later) == []
        assert await new.queue.depth() == waiting
        async with adsum.database.snapshot() as connection:
            assert await runs.open_run(connection, batch_of(schools[0])) is not None


async def test_a_command_is_not_refused_for_the_number_of_a_database_without_tables(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/new.db")
    await require_present_number(2, database)
    await database.close()


async def test_a_command_with_another_number_of_shards_than_the_workers_is_refused(
    adsum: Adsum, settings: Settings
) -> None:
    """It would say that a queue is paused which nobody serves."""
    async with wiring.open_queue_services(settings):
        pass  # no worker has begun yet
    async with with_shards(settings, 3) as workers:
        await sweep(workers)
    with pytest.raises(ConfigurationError, match="is 3, and that of this command 1: set ADSUM_QUEUE_SHARDS"):
        async with wiring.open_queue_services(settings):
            pass
    async with wiring.open_queue_services(settings.model_copy(update={"queue_shards": 3})) as services:
        assert len(await services[QueueControl].shards()) == 3


@pytest.mark.parametrize("number", [1, 3])
async def test_a_command_that_would_enqueue_for_nobody_is_refused(
    adsum: Adsum, settings: Settings, number: int
) -> None:
    other = settings.model_copy(update={"queue_shards": 4 - number})
    async with wiring.open_services(other, enqueues=True):
        pass  # no worker has begun yet
    async with with_shards(settings, number) as workers:
        await sweep(workers)
    with pytest.raises(ConfigurationError, match=f"is {number}, and that of this command {4 - number}"):
        async with wiring.open_services(other, enqueues=True):
            pass
    async with wiring.open_services(settings.model_copy(update={"queue_shards": number}), enqueues=True) as services:
        assert len(await services[QueueControl].shards()) == number
    assert await adsum.queue.depth() == 0


async def test_without_the_database_the_number_of_shards_of_a_command_is_that_of_its_setting(
    settings: Settings,
) -> None:
    away = settings.model_copy(update={"database_url": "postgresql://postgres@127.0.0.1:1/adsum"})
    async with wiring.open_queue_services(away) as services:
        assert not await services[QueueControl].is_paused()


async def test_a_cluster_has_a_shard_for_each_primary(cluster: Cluster, database_url: str, tmp_path: Path) -> None:
    database = open_database(database_url)
    try:
        assert await number_of_shards(None, cluster.url, database, system_clock) == PRIMARIES
        # The number is remembered: without the cluster, it is known.
        assert await number_of_shards(None, "redis+cluster://127.0.0.1:1", database, system_clock) == PRIMARIES
        assert await number_of_shards(8, cluster.url, database, system_clock) == 8
        assert await number_of_shards(None, f"unix://{tmp_path}/redis.sock", database, system_clock) == 1
    finally:
        await database.close()


async def test_a_cluster_that_replaces_a_single_server_has_a_shard_for_each_primary(
    adsum: Adsum, settings: Settings, cluster: Cluster
) -> None:
    await sweep(adsum)  # a worker of the single server, which remembers one shard
    in_cluster = settings.model_copy(update={"redis_url": cluster.url})
    with pytest.raises(ConfigurationError, match=f"is 1, and that of this command {PRIMARIES}"):
        async with wiring.open_services(in_cluster, enqueues=True):
            pass  # the workers still use the single server
    async with wiring.open_adsum(in_cluster) as present:
        assert len(present.shards) == PRIMARIES
        await sweep(present)
    async with wiring.open_services(in_cluster, enqueues=True) as services:
        assert len(await services[QueueControl].shards()) == PRIMARIES
    await sweep(adsum)  # a single server again has one
    async with wiring.open_adsum(in_cluster) as again:
        assert len(again.shards) == PRIMARIES


async def test_the_primaries_of_a_cluster_that_is_away_are_not_counted(database_url: str) -> None:
    database = open_database(database_url)
    try:
        with pytest.raises(QueueOutage, match="no server of the cluster answers"):
            await number_of_shards(None, "redis+cluster://127.0.0.1:1", database, system_clock)
    finally:
        await database.close()


async def test_a_database_without_migrations_has_one_shard(cluster: Cluster, tmp_path: Path) -> None:
    settings = Settings(
        database_url=f"sqlite:///{tmp_path}/empty.db",
        redis_url=cluster.url,
        secret_key="x" * 64,  # pyright: ignore[reportArgumentType]
    )
    async with open_queue_control(settings) as control:
        assert not await control.is_paused()
