"""Runs that ended and hold their lock: they were not released, or Redis has lost their release in a failover."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from redis.asyncio import Redis

from adsum.batches.queue.ledger import RELEASED_UNTIL, LedgerKeys
from adsum.batches.run import Run
from adsum.batches.sweep import OVERLAP, UnreleasedRuns
from adsum.platform.clock import system_clock
from adsum.wiring import Adsum
from tests.batches.sweep.test_edges import end, three_runs
from tests.support.schools import SchoolIds

LOCK_TTL = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


class Moments:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = system_clock()

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Moments:
    return Moments()


def new_unreleased(adsum: Adsum, clock: Moments, pages: int = 20) -> UnreleasedRuns:
    """As in a worker that has just started, with a page size of one run."""
    return UnreleasedRuns(adsum.database, adsum.queue.ledger, clock, lock_ttl=LOCK_TTL, page=1, pages=pages)


async def state_of(redis: Redis) -> dict[str, str]:
    """The keys of runs and of the sweeper, as a replica has them."""
    keys: list[str] = [key async for key in redis.scan_iter(_type="STRING")]  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return {key: str(await redis.get(key)) for key in keys if not key.startswith("bull:")}


async def fail_over(redis: Redis, state: dict[str, str]) -> None:
    """Replaces Redis by a server that has this state. The chunks are removed on the new server."""
    await redis.flushall()  # pyright: ignore[reportUnknownMemberType] - its **kwargs have no types
    for key, value in state.items():
        await redis.set(key, value, ex=LOCK_TTL)


async def locked(redis: Redis, made: Sequence[Run]) -> list[bool]:
    return [bool(await redis.exists(LedgerKeys("", run.batch).lock)) for run in made]


async def test_a_release_that_a_failover_has_lost_is_repeated(
    adsum: Adsum, school: SchoolIds, redis: Redis, clock: Moments
) -> None:
    first, second, _ = await three_runs(adsum, school)
    unreleased = new_unreleased(adsum, clock)
    await end(adsum, first, clock.now)
    assert await unreleased.release() == 1
    replicated = await state_of(redis)
    await end(adsum, second, clock.now)
    assert await unreleased.release() == 1
    clock.now += MINUTE
    assert await unreleased.release() == 0
    await fail_over(redis, replicated)
    clock.now += MINUTE
    assert await unreleased.release() == 1
    keys = LedgerKeys("", second.batch)
    assert not [key for key in await state_of(redis) if key in {keys.lock, keys.counter, keys.ticket(1)}]
    assert await redis.get(keys.marker)


async def test_releases_are_repeated_on_a_server_without_a_position(
    adsum: Adsum, school: SchoolIds, redis: Redis, clock: Moments
) -> None:
    made = await three_runs(adsum, school)
    replicated = await state_of(redis)
    assert RELEASED_UNTIL not in replicated
    unreleased = new_unreleased(adsum, clock)
    for run in made:
        await end(adsum, run, clock.now)
    assert await unreleased.release() == 3
    clock.now += LOCK_TTL / 2
    assert await unreleased.release() == 0
    await fail_over(redis, replicated)
    assert await unreleased.release() == 3
    assert await locked(redis, made) == [False, False, False]


async def test_a_new_leader_begins_where_the_last_one_has_ended(
    adsum: Adsum, school: SchoolIds, redis: Redis, clock: Moments
) -> None:
    first, second, _ = await three_runs(adsum, school)
    await end(adsum, first, clock.now)
    clock.now += MINUTE
    assert await new_unreleased(adsum, clock).release() == 1
    await end(adsum, second, clock.now)
    await redis.set(LedgerKeys("", first.batch).lock, first.run_id, ex=60)
    assert await new_unreleased(adsum, clock).release() == 1
    assert await locked(redis, [first, second]) == [True, False]


async def test_runs_that_ended_a_moment_ago_are_checked_twice(
    adsum: Adsum, school: SchoolIds, redis: Redis, clock: Moments
) -> None:
    run, *_ = await three_runs(adsum, school)
    await end(adsum, run, clock.now)
    unreleased = new_unreleased(adsum, clock)
    assert await unreleased.release() == 1
    await redis.set(LedgerKeys("", run.batch).lock, run.run_id, ex=60)
    clock.now += OVERLAP / 2
    assert await unreleased.release() == 1


async def test_a_pass_has_a_number_of_pages_and_the_next_one_goes_on(
    adsum: Adsum, school: SchoolIds, redis: Redis, clock: Moments
) -> None:
    made = await three_runs(adsum, school)
    for number, run in enumerate(made):
        await end(adsum, run, clock.now - MINUTE * (30 - number))
    assert [await new_unreleased(adsum, clock, pages=2).release() for _ in range(3)] == [2, 1, 0]
    assert await locked(redis, made) == [False, False, False]


async def test_locks_that_are_older_than_their_time_to_live_are_not_looked_for(
    adsum: Adsum, school: SchoolIds, clock: Moments
) -> None:
    old, new, _ = await three_runs(adsum, school)
    await end(adsum, old, clock.now - LOCK_TTL - MINUTE)
    await end(adsum, new, clock.now - LOCK_TTL + MINUTE)
    assert await new_unreleased(adsum, clock).release() == 1


@pytest.mark.parametrize("position", ["theirs", "2024-12-25 00000000-0000-0000-0000-000000000000", "{later} {first}"])
async def test_a_position_of_another_program_or_of_a_wrong_clock_is_replaced(
    adsum: Adsum, school: SchoolIds, redis: Redis, clock: Moments, position: str
) -> None:
    first, second, _ = await three_runs(adsum, school)
    later = (clock.now + MINUTE).isoformat()
    await redis.set(RELEASED_UNTIL, position.format(later=later, first=first.run_id), ex=60)
    await end(adsum, first, clock.now - LOCK_TTL / 2)
    await end(adsum, second, clock.now - MINUTE)
    assert await new_unreleased(adsum, clock).release() == 2
    assert str(await redis.get(RELEASED_UNTIL)).startswith((clock.now - MINUTE).isoformat())


async def test_the_position_stays_while_a_lock_cannot_be_removed(
    adsum: Adsum, school: SchoolIds, redis: Redis, clock: Moments, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the releases were sent to an old primary, and the position were on the new one."""
    run, *_ = await three_runs(adsum, school)
    await end(adsum, run, clock.now - MINUTE)
    unreleased = new_unreleased(adsum, clock)
    with monkeypatch.context() as patch:
        patch.setattr(adsum.queue.ledger, "release_all", _release_elsewhere)
        assert await unreleased.release() == 1
    assert not await redis.exists(RELEASED_UNTIL)
    assert await unreleased.release() == 1
    assert await redis.exists(RELEASED_UNTIL)


async def _release_elsewhere(releases: Sequence[object]) -> list[bool]:
    return [True] * len(releases)
