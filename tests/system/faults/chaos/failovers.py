"""Parts `sentinel`, `cluster` and `standby`: kills a primary of Valkey or Postgres while classes are marked."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime

from adsum.platform.database.engine import StorageOutage
from adsum.platform.redis.slots import slot_of
from tests.support.servers.cluster import cluster
from tests.support.servers.processes import eventually
from tests.support.servers.sentinel import sentinel_group
from tests.support.servers.standby import StandbyPair, standby_pair
from tests.support.waiting import until
from tests.system.faults.chaos.report import Result
from tests.system.faults.chaos.testbed import Testbed, open_testbed
from tests.system.faults.load import constant_load

GOAL_SENTINEL = "Valkey's primary killed 20 times: processing again within 15 s (p99), nothing lost"
GOAL_CLUSTER = "A primary of a cluster killed 20 times: its shard processed again within 15 s (p99), nothing lost"
GOAL_STANDBY = "Postgres' primary killed 20 times: accepting again within 30 s (p99) on its standby, nothing lost"
TIMES = 20
LATEST_S = 15.0
LATEST_ACCEPTING_S = 30.0
WITHIN_S = 120.0
# Sentinels make a replica of the old primary some ten seconds after it is back.
COMPLETE_S = 60.0
ACCEPTED = "SELECT count(*) FROM batch_runs WHERE accepted_at > :since"
PROCESSED = f"{ACCEPTED} AND ended_at IS NOT NULL"
PROCESSED_OF_SHARD = f"{PROCESSED} AND session_id % :shards = :shard"


async def sentinel_failovers(seed: int, minutes: float) -> Result:
    """Kills the primary, waits until its replica has taken its place, and starts it as the new replica."""
    began = time.monotonic()
    with sentinel_group() as group:
        await group.start()
        async with open_testbed(seed, has_proxies=False, redis_url=group.url) as testbed:

            async def fail_over() -> float:
                primary = group.primary()
                await primary.server.down()
                waited = await _until_processing(testbed)
                await group.failed_over(primary)
                await primary.server.start()
                await eventually(group.is_ready, COMPLETE_S)
                return waited

            waits = await _repeated(fail_over, testbed, began + minutes * 60)
            batches = len(testbed.load.accepted)
    reached = len(waits) >= TIMES and _percentile(waits, 99) <= LATEST_S
    figures = {"kills": len(waits), "batches": batches, **_figures(waits)}
    return Result("sentinel", GOAL_SENTINEL, seed, time.monotonic() - began, reached, figures)


async def cluster_failovers(seed: int, minutes: float) -> Result:
    """Kills the primary of one shard after another, waits until its replica has taken its place, and starts it as the
    new replica.
    """
    began = time.monotonic()
    with cluster() as group:
        await group.start()
        async with open_testbed(seed, has_proxies=False, redis_url=group.url) as testbed:
            shards = testbed.installation.adsum.shards
            turns = itertools.cycle(shards)

            async def fail_over() -> float:
                shard = next(turns)
                slot = slot_of(shard.key_prefix)
                primary = group.owner_of(slot)
                await primary.server.down()
                waited = await _until_processing(testbed, PROCESSED_OF_SHARD, shards=len(shards), shard=shard.number)
                await group.failed_over(slot, primary)
                await primary.server.start()
                await group.recovered()
                return waited

            waits = await _repeated(fail_over, testbed, began + minutes * 60)
            batches = len(testbed.load.accepted)
    reached = len(waits) >= TIMES and _percentile(waits, 99) <= LATEST_S
    figures = {"kills": len(waits), "shards": len(shards), "batches": batches, **_figures(waits)}
    return Result("cluster", GOAL_CLUSTER, seed, time.monotonic() - began, reached, figures)


async def standby_failovers(seed: int, minutes: float) -> Result:
    """Kills the primary, promotes its synchronous standby, and makes a standby of the old primary."""
    began = time.monotonic()
    with standby_pair() as pair:
        await pair.start()
        async with open_testbed(seed, has_proxies=False, database_url=pair.url) as testbed:

            async def fail_over() -> float:
                waited = await _until_accepting(testbed, pair)
                await pair.rejoin()
                return waited

            waits = await _repeated(fail_over, testbed, began + minutes * 60)
            batches, refusals = len(testbed.load.accepted), testbed.load.refusals
    reached = len(waits) >= TIMES and _percentile(waits, 99) <= LATEST_ACCEPTING_S
    figures = {"kills": len(waits), "batches": batches, "answered 503": refusals, **_figures(waits)}
    return Result("standby", GOAL_STANDBY, seed, time.monotonic() - began, reached, figures)


async def _repeated(fail_over: Callable[[], Awaitable[float]], testbed: Testbed, deadline: float) -> list[float]:
    """Fails over under load, `TIMES` times or until the deadline, and verifies every promise. Returns the waits."""
    waits: list[float] = []
    async with constant_load(testbed.load, pause=0.2):
        while len(waits) < TIMES and time.monotonic() < deadline:
            await asyncio.sleep(testbed.rng.uniform(0.5, 2))  # work between kills
            waits.append(await fail_over())
    await testbed.verify(WITHIN_S)
    return waits


async def _until_accepting(testbed: Testbed, pair: StandbyPair) -> float:
    """Kills the primary and promotes the standby. Returns the seconds until a class is accepted."""
    killed, began = datetime.now(UTC), time.monotonic()
    await pair.primary.server.down()
    await pair.promote()
    await _until_any(testbed, ACCEPTED, killed)
    return time.monotonic() - began


async def _until_processing(testbed: Testbed, statement: str = PROCESSED, **values: int) -> float:
    """Returns the seconds until a class is processed that was accepted after the kill, by way of the new primary."""
    killed, began = datetime.now(UTC), time.monotonic()
    await _until_any(testbed, statement, killed, **values)
    return time.monotonic() - began


async def _until_any(testbed: Testbed, statement: str, since: datetime, **values: int) -> None:
    async def has_one() -> bool:
        with suppress(StorageOutage):
            return bool(await testbed.number(statement, since=since, **values))
        return False

    await until(has_one, WITHIN_S)


def _figures(waits: list[float]) -> dict[str, float]:
    return {"p50 s": round(_percentile(waits, 50), 2), "p99 s": round(_percentile(waits, 99), 2)}


def _percentile(waits: list[float], percent: int) -> float:
    """The value that `percent` of the values do not exceed; of few values, the 99th is the largest."""
    return sorted(waits)[max(0, math.ceil(len(waits) * percent / 100) - 1)]
