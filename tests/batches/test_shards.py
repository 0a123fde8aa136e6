"""Batches in several shards, on one server and in a cluster: each is enqueued, processed, swept, paused and examined in
the shard of its session.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from adsum.accounts.access import system_caller
from adsum.batches.queue.chunks import chunks_of
from adsum.batches.queue.control import QueueControl
from adsum.batches.queue.key_scanner import KeyKind, KeyScanner
from adsum.batches.queue.ledger import LedgerKeys
from adsum.batches.queue.worker import ChunkWorker
from adsum.batches.repository import runs
from adsum.batches.rules import BatchStatus
from adsum.batches.run import Run
from adsum.batches.submission import Selection, Submission
from adsum.platform.redis.shards import Shard
from adsum.platform.redis.workers import WorkerOptions
from adsum.platform.settings import Settings
from adsum.wiring import Adsum
from tests.support.installation import DEADLINE_S, ended
from tests.support.runs import batch_of
from tests.support.schools import SchoolIds, make_school
from tests.support.servers.cluster import PATIENT_MS, Cluster, running_cluster
from tests.support.waiting import until

SHARDS = 3


@pytest.fixture(scope="module")
def cluster() -> Generator[Cluster]:
    with running_cluster(PATIENT_MS) as running:
        yield running


@pytest.fixture(params=["one server", "cluster"])
def settings(database_url: str, request: pytest.FixtureRequest) -> Settings:
    is_cluster = request.param == "cluster"
    return Settings(
        database_url=database_url,
        redis_url=request.getfixturevalue("cluster").url if is_cluster else request.getfixturevalue("redis_url"),
        secret_key="x" * 64,  # pyright: ignore[reportArgumentType]
        key_prefix=f"ours-{uuid4().hex}:",
        queue_shards=SHARDS,
        chunk_size=2,
        sweep_grace=0,
    )


@pytest.fixture
async def schools(adsum: Adsum) -> list[SchoolIds]:
    """A school for each shard, in the order of the shards, and a second one of the first shard."""
    async with adsum.database.transaction() as connection:
        made = [await make_school(connection) for _ in range(SHARDS + 1)]
    return sorted(made, key=lambda school: school.session_id % SHARDS)


async def submit(adsum: Adsum, schools: Sequence[SchoolIds]) -> list[Run]:
    """Marks the class of each school at once. Returns the open runs."""

    async def mark(school: SchoolIds) -> None:
        request = Submission(school.class_id, school.session_id, "2024-12-25", Selection(is_selected_all=True))
        await adsum.attendances.create_batch(request, system_caller())

    await asyncio.gather(*map(mark, schools))
    async with adsum.database.snapshot() as connection:
        found = [await runs.open_run(connection, batch_of(school)) for school in schools]
    return [run for run in found if run is not None]


@asynccontextmanager
async def working(adsum: Adsum, served: Sequence[Shard]) -> AsyncGenerator[None]:
    """Processes the chunks of these shards until the block ends."""
    stop, url = asyncio.Event(), adsum.settings.redis_url
    assert url is not None
    workers = [
        ChunkWorker(WorkerOptions(url, adsum.settings.queue_name, each.key_prefix, 4), adsum.dispatcher.take)
        for each in served
    ]
    running = asyncio.gather(*(worker.run(stop) for worker in workers))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(running, DEADLINE_S)


async def all_ended(adsum: Adsum, accepted: Sequence[Run]) -> list[BatchStatus]:
    return [await ended(adsum, run.batch.id) for run in accepted]


async def names(shard: Shard) -> list[str]:
    redis: Any = shard.redis
    return sorted([name async for name in redis.scan_iter(match=f"{shard.key_prefix}*")])


async def test_all_keys_of_a_batch_have_the_prefix_of_its_shard(adsum: Adsum, schools: list[SchoolIds]) -> None:
    for run in await submit(adsum, schools):
        shard = adsum.shards.of(run.batch.session_id)
        ours = await names(shard)
        keys = LedgerKeys(shard.key_prefix, run.batch)
        messages = [f"{shard.key_prefix}bull:attendance:{chunk.message_id}" for chunk in chunks_of(run)]
        assert {keys.lock, keys.counter, *map(keys.ticket, run.student_ids), *messages} <= set(ours)
    assert len({shard.key_prefix for shard in adsum.shards}) == SHARDS


async def test_batches_of_all_shards_are_recorded_and_leave_their_markers(
    adsum: Adsum, schools: list[SchoolIds]
) -> None:
    async with working(adsum, adsum.shards):
        accepted = await submit(adsum, schools)
        statuses = await all_ended(adsum, accepted)
    assert [status.tally.recorded for status in statuses] == [3] * len(schools)
    found = await KeyScanner(adsum.shards).scan(100_000)
    assert {(key.kind, key.batch) for key in found.keys} == {(KeyKind.MARKER, run.batch) for run in accepted}
    assert await adsum.queue.depth() == 0


async def test_a_worker_takes_chunks_of_its_shards_alone(adsum: Adsum, schools: list[SchoolIds]) -> None:
    async with working(adsum, [adsum.shards[1]]):
        accepted = await submit(adsum, schools)
        served = [run for run in accepted if run.batch.session_id % SHARDS == 1]
        await all_ended(adsum, served)
        assert len(await adsum.queue_control.workers()) == 1
    others = [run for run in accepted if run not in served]
    assert await adsum.queue.depth() == sum(len(run.chunks) for run in others)
    async with working(adsum, adsum.shards):
        await all_ended(adsum, others)


async def test_the_sweeper_of_a_shard_rescues_its_runs_alone(adsum: Adsum, schools: list[SchoolIds]) -> None:
    accepted = await submit(adsum, schools)
    for shard in adsum.shards:
        await shard.redis.delete(*await names(shard))
    for number, sweeper in enumerate(adsum.sweepers):
        assert await sweeper.sweep() == sum(run.batch.session_id % SHARDS == number for run in accepted)
    assert not any(await adsum.queue.find_missing(accepted))
    assert await adsum.queue.ledger.holders([run.batch for run in accepted]) == [run.run_id for run in accepted]


async def test_an_ended_run_is_released_in_its_shard(adsum: Adsum, schools: list[SchoolIds]) -> None:
    accepted = await submit(adsum, schools)
    async with adsum.database.transaction() as connection:
        for run in accepted:
            await runs.cancel_run(connection, run, adsum.now())
    assert [await sweeper.sweep() for sweeper in adsum.sweepers].count(0) == 0
    assert await adsum.queue.ledger.holders([run.batch for run in accepted]) == [None] * len(accepted)


async def test_each_shard_has_a_leading_sweeper(adsum: Adsum, schools: list[SchoolIds]) -> None:
    assert schools
    assert [await sweeper.sweep_if_leading() for sweeper in adsum.sweepers] == [True] * SHARDS


async def test_a_pause_holds_all_shards(adsum: Adsum, schools: list[SchoolIds]) -> None:
    control: QueueControl = adsum.queue_control
    await control.pause()
    async with working(adsum, adsum.shards):
        accepted = await submit(adsum, schools)
        state = await control.state()
        assert (state.is_paused, state.waiting, state.active) == (True, sum(len(run.chunks) for run in accepted), 0)
        await control.resume()
        await all_ended(adsum, accepted)
    assert not await control.is_paused()


async def test_orphaned_messages_are_found_and_removed_in_each_shard(adsum: Adsum, schools: list[SchoolIds]) -> None:
    accepted = await submit(adsum, schools)
    chunks = [chunk for run in accepted for chunk in chunks_of(run)]
    for shard in adsum.shards:
        await shard.redis.delete(f"{shard.key_prefix}bull:attendance:wait")
    assert await adsum.queue_control.orphaned_messages(chunks) == chunks
    await adsum.queue_control.forget(chunks)
    assert [sum(map(len, await adsum.queue.find_missing([run]))) for run in accepted] == [2] * len(accepted)


async def test_keys_of_all_shards_are_dropped_and_limited(adsum: Adsum, schools: list[SchoolIds]) -> None:
    await submit(adsum, schools)
    scanner = KeyScanner(adsum.shards)
    locks = (await scanner.scan(100_000)).of(KeyKind.LOCK)
    assert len(locks) == len(schools)
    await scanner.limit([key.name for key in locks], 5)
    assert all((key.lifetime or 0) <= 5 for key in (await scanner.scan(100_000)).of(KeyKind.LOCK))
    assert await scanner.drop({key.name: key.value for key in locks}) == len(locks)

    async def has_no_lock() -> bool:
        return not (await scanner.scan(100_000)).of(KeyKind.LOCK)

    await until(has_no_lock)
