"""The sweeper with other leaders, outages, locks of other runs, and more runs than a page."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from adsum import wiring
from adsum.accounts.access import system_caller
from adsum.batches import sweep
from adsum.batches.complete import Completion
from adsum.batches.queue.chunks import Chunk, chunks_of
from adsum.batches.queue.ledger import LEADER
from adsum.batches.repository import jobs, runs
from adsum.batches.repository.jobs import JobSlice
from adsum.batches.run import Run
from adsum.batches.submission import Selection, Submission
from adsum.batches.sweep import Sweeper, UnreleasedRuns
from adsum.platform.clock import system_clock
from adsum.platform.errors import Unavailable
from adsum.platform.settings import Settings
from adsum.wiring import Adsum
from tests.batches.sweep.test_sweeper import accepted, lose_everything
from tests.support.installation import DEADLINE_S
from tests.support.schools import SchoolIds
from tests.support.waiting import until

DAYS = ("2024-12-23", "2024-12-24", "2024-12-25")


@pytest.fixture
def sweeper(adsum: Adsum) -> Sweeper:
    """Returns a sweeper with a page size of one run."""
    return new_sweeper(adsum, interval=1)


def new_sweeper(adsum: Adsum, interval: float) -> Sweeper:
    return Sweeper(
        adsum.database,
        adsum.queue,
        Completion(adsum.database, adsum.queue.ledger, system_clock),
        UnreleasedRuns(adsum.database, adsum.queue.ledger, system_clock, lock_ttl=timedelta(hours=1), page=1),
        system_clock,
        interval=interval,
        grace=timedelta(0),
        page=1,
    )


async def three_runs(adsum: Adsum, school: SchoolIds) -> list[Run]:
    for day in DAYS:
        request = Submission(school.class_id, school.session_id, day, Selection(is_selected_all=True))
        await adsum.attendances.create_batch(request, system_caller())
    async with adsum.database.snapshot() as connection:
        return await runs.open_runs_after(connection, None, system_clock(), 10, max_jobs=1000)


async def test_stalled_runs_of_several_pages_are_all_rescued(
    adsum: Adsum, school: SchoolIds, redis: Redis, sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "PAGES_AT_ONCE", 2)  # one of them checks two pages
    made = await three_runs(adsum, school)
    await lose_everything(redis, made[0].batch, made[0])
    assert await sweeper.sweep() == 3
    assert await sweeper.sweep() == 0


async def test_the_next_page_is_checked_while_one_waits(
    adsum: Adsum, school: SchoolIds, redis: Redis, sweeper: Sweeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await three_runs(adsum, school)
    await lose_everything(redis, made[0].batch, made[0])
    check, checked, second = adsum.queue.renew_and_find_missing, list[str](), asyncio.Event()

    async def wait_for_the_second(page: Sequence[Run]) -> list[list[Chunk]]:
        checked.append(page[0].run_id)
        if len(checked) > 1:
            second.set()
        await asyncio.wait_for(second.wait(), DEADLINE_S)
        return await check(page)

    monkeypatch.setattr(adsum.queue, "renew_and_find_missing", wait_for_the_second)
    assert await sweeper.sweep() == 3
    assert checked == [run.run_id for run in made]


async def test_ended_runs_of_several_pages_are_all_released(
    adsum: Adsum, school: SchoolIds, redis: Redis, sweeper: Sweeper
) -> None:
    made = await three_runs(adsum, school)
    for run in made:
        await end(adsum, run, system_clock())
    assert await sweeper.sweep() == 3
    assert await redis.exists(*(f"attendance-batch-lock:{run.batch.id}" for run in made)) == 0
    assert await redis.exists(*(f"batch-completed:{run.batch.id}" for run in made)) == 3


async def end(adsum: Adsum, run: Run, moment: datetime) -> None:
    """Records a run completely and closes it, without releasing it."""
    async with adsum.database.transaction() as connection:
        await jobs.insert_records(connection, [JobSlice(run.run_id, number) for number in range(len(run.chunks))])
        assert await runs.close_runs(connection, [run.run_id], moment)


async def test_one_of_two_sweepers_leads_until_its_lease_expires(adsum: Adsum, redis: Redis) -> None:
    first, second = new_sweeper(adsum, interval=60), new_sweeper(adsum, interval=60)
    assert await first.sweep_if_leading()
    await redis.pexpire(LEADER, 60_000)
    assert not await second.sweep_if_leading()
    assert await first.sweep_if_leading()
    assert 60_000 < await redis.pttl(LEADER) <= 120_000  # it is extended
    await redis.pexpire(LEADER, 0)
    assert await second.sweep_if_leading()
    assert not await first.sweep_if_leading()


async def test_a_sweeper_that_does_not_lead_makes_no_pass(adsum: Adsum, school: SchoolIds, redis: Redis) -> None:
    _, run = await accepted(adsum, school)
    await lose_everything(redis, run.batch, run)
    await redis.set("attendance-sweeper", "somebody else", px=60_000)
    assert not await adsum.sweeper.sweep_if_leading()
    assert await redis.exists(f"attendance-batch-lock:{run.batch.id}") == 0
    await redis.set("attendance-sweeper", "somebody else", px=1)
    await until(lambda: _is_free(redis))
    assert await adsum.sweeper.sweep_if_leading()
    assert await adsum.sweeper.sweep_if_leading()
    assert await redis.exists(f"attendance-batch-lock:{run.batch.id}") == 1


async def test_a_sweeper_that_does_not_lead_does_no_chores_and_applies_again(adsum: Adsum, redis: Redis) -> None:
    await redis.set("attendance-sweeper", "somebody else", px=60_000)
    stop, done = asyncio.Event(), asyncio.Event()

    async def chore() -> None:
        done.set()

    sweeping = asyncio.create_task(adsum.sweeper.run(stop, [chore]))
    before = await _lead_attempts(redis)
    await until(lambda: _has_attempted_since(redis, before))
    assert not done.is_set()
    await redis.delete("attendance-sweeper")
    await asyncio.wait_for(done.wait(), 20)
    stop.set()
    await sweeping


async def test_a_chore_that_fails_is_logged_once_and_ends_neither_the_sweeper_nor_the_others(
    adsum: Adsum, caplog: pytest.LogCaptureFixture
) -> None:
    stop, failures, done = asyncio.Event(), 0, 0

    async def failing() -> None:
        nonlocal failures
        failures += 1
        if failures != 3:
            raise LookupError

    async def other() -> None:
        nonlocal done
        done += 1
        if done == 4:
            stop.set()

    with caplog.at_level(logging.ERROR):
        await asyncio.wait_for(new_sweeper(adsum, interval=0.01).run(stop, [failing, other]), 20)

    assert failures == 4
    assert [each.msg for each in caplog.records] == ["a chore failed"] * 2  # again after it has succeeded


async def test_an_outage_of_one_chore_is_logged_once_and_ends_no_other(
    adsum: Adsum, caplog: pytest.LogCaptureFixture
) -> None:
    stop, done = asyncio.Event(), 0

    async def is_refused() -> None:
        raise Unavailable("the database does not answer")

    async def other() -> None:
        nonlocal done
        done += 1
        if done == 2:
            stop.set()

    with caplog.at_level(logging.ERROR):
        await asyncio.wait_for(new_sweeper(adsum, interval=0.01).run(stop, [is_refused, other]), 20)

    assert [each.msg for each in caplog.records] == ["outage, a chore is postponed"]


async def test_the_last_leader_does_its_chores_while_its_shard_is_away(settings: Settings, tmp_path: Path) -> None:
    nowhere = settings.model_copy(update={"redis_url": f"unix://{tmp_path}/nowhere"})
    async with wiring.open_adsum(nowhere) as adsum:
        stop, done = asyncio.Event(), asyncio.Event()

        async def chore() -> None:
            done.set()

        adsum.sweeper.is_leading = True
        sweeping = asyncio.create_task(adsum.sweeper.run(stop, [chore]))
        await asyncio.wait_for(done.wait(), 20)
        stop.set()
        await sweeping


async def _has_attempted_since(redis: Redis, before: int) -> bool:
    return await _lead_attempts(redis) >= before + 2


async def _lead_attempts(redis: Redis) -> int:
    """Returns the number of attempts to lead."""
    statistics = await cast("Any", redis).info("commandstats")
    return int(statistics.get("cmdstat_set", {}).get("calls", 0))


async def _is_free(redis: Redis) -> bool:
    return not await redis.exists("attendance-sweeper")


@pytest.mark.every_case
@pytest.mark.parametrize(
    ("setting", "url"), [("redis_url", "unix://{}/nowhere"), ("database_url", "sqlite:///{}/nowhere/adsum.db")]
)
async def test_an_outage_ends_the_pass_but_not_the_sweeper(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture, setting: str, url: str
) -> None:
    nowhere = settings.model_copy(update={setting: url.format(tmp_path)})
    async with wiring.open_adsum(nowhere) as adsum:
        stop = asyncio.Event()
        sweeping = asyncio.create_task(adsum.sweeper.run(stop))

        async def two_attempts_made() -> bool:
            return sum("outage, sweep postponed" in record.message for record in caplog.records) >= 2

        await until(two_attempts_made)
        stop.set()
        await sweeping


async def test_a_run_with_finished_and_waiting_chunks_is_unchanged(
    adsum: Adsum, school: SchoolIds, redis: Redis
) -> None:
    _, run = await accepted(adsum, school)
    done = chunks_of(run)[0]
    await adsum.processor.process([done])
    await redis.delete(f"bull:attendance:{done.message_id}")
    assert await adsum.sweeper.sweep() == 0


async def test_a_batch_held_by_another_open_run_is_not_taken_over(
    adsum: Adsum, school: SchoolIds, redis: Redis
) -> None:
    first, second, _ = await three_runs(adsum, school)
    await redis.delete(*(f"bull:attendance:{chunk.message_id}" for chunk in chunks_of(first)))
    await redis.set(f"attendance-batch-lock:{first.batch.id}", second.run_id, ex=60)
    assert await adsum.sweeper.sweep() == 0


async def test_a_run_closed_by_another_process_is_not_closed_again(adsum: Adsum, school: SchoolIds) -> None:
    _, run = await accepted(adsum, school)
    await adsum.processor.process(chunks_of(run))
    completion = Completion(adsum.database, adsum.queue.ledger, system_clock)
    assert await completion.close_finished([run]) == 0
    assert await completion.close_finished([]) == 0
