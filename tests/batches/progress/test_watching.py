"""Live progress: the current state, each newer one, one terminal state. One loop reads for all watchers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import delete, text

from adsum.accounts.access import Caller, system_caller
from adsum.batches import endpoints
from adsum.batches.progress import Watch, event_id
from adsum.batches.rules import BatchState, BatchStatus
from adsum.batches.submission import Selection
from adsum.batches.tables import batch_runs
from adsum.platform.database.engine import StorageOutage
from adsum.platform.errors import Unauthenticated
from adsum.platform.settings import Settings
from adsum.wiring import Adsum, open_adsum
from tests.batches.progress.conftest import MovingRun, begin_run
from tests.batches.progress.rounds import Rounds
from tests.batches.progress.taking import next_of, rest_of, settled
from tests.batches.test_one_batch import submission
from tests.support.installation import RunWorker
from tests.support.schools import SchoolIds, make_school

SYSTEM = system_caller()


async def test_a_watch_yields_the_current_state_each_newer_state_and_one_terminal_state(
    adsum: Adsum, moving: MovingRun
) -> None:
    await moving.record(0)
    async with adsum.progress.watch(moving.batch.id, SYSTEM) as watch:
        states = [await next_of(watch)]
        for chunk in (1, 2):
            await moving.record(chunk)
            states.append(await next_of(watch))
        assert [status.state for status in states] == [BatchState.PROCESSING] * 3
        await moving.close()
        states += await rest_of(watch)
    assert settled(*states) == [10, 20, 30, 30]
    assert [status.tally.progress for status in states] == [33, 66, 100, 100]
    assert states[-1].state is BatchState.COMPLETED


async def test_a_listener_may_continue_while_they_are_signed_in_and_see_the_batch(
    adsum: Adsum, moving: MovingRun
) -> None:
    async def raising(error: Exception) -> Caller:
        raise error

    async def returning(caller: Caller) -> Caller:
        return caller

    elsewhere = replace(SYSTEM, schools=frozenset({0}))
    answers = [
        await adsum.progress.may_continue(moving.batch.id, reauthenticate)
        for reauthenticate in (
            partial(returning, SYSTEM),
            partial(returning, elsewhere),
            partial(returning, replace(SYSTEM, permissions=frozenset())),
            partial(raising, Unauthenticated("the token has ended")),
            partial(raising, StorageOutage("away")),
        )
    ]
    assert answers == [True, False, False, False, True]


async def test_an_event_does_not_postpone_the_check_of_a_stream(
    adsum: Adsum, moving: MovingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoints, "KEEP_ALIVE_S", 1.0)
    status = await adsum.attendances.get_batch_status(moving.batch.id, SYSTEM)

    async def events() -> AsyncGenerator[BatchStatus]:
        await asyncio.sleep(0.9)
        yield status
        await asyncio.Event().wait()

    async def may_not() -> bool:
        return False

    now = asyncio.get_running_loop().time
    began = now()
    lines = [line async for line in endpoints._event_lines(events(), may_not)]  # pyright: ignore[reportPrivateUsage]
    assert len(lines) == 2
    assert now() - began < 1.7


async def test_with_a_real_worker_progress_never_decreases_and_ends_at_100(
    adsum: Adsum, school: SchoolIds, worker: RunWorker
) -> None:
    result = await adsum.attendances.create_batch(submission(school), SYSTEM)
    async with worker(), adsum.progress.watch(result.batch_id, SYSTEM) as watch:
        states = await rest_of(watch)
    assert settled(*states) == sorted(settled(*states))
    assert (states[-1].state, states[-1].tally.progress) == (BatchState.COMPLETED, 100)
    assert all(status.tally.progress < 100 or status.remaining_jobs == 0 for status in states)
    assert [status.has_ended for status in states].count(True) == 1


async def test_a_resumed_watch_yields_nothing_until_the_state_changes(
    adsum: Adsum, moving: MovingRun, rounds: Rounds
) -> None:
    await moving.record(0)
    status = await adsum.attendances.get_batch_status(moving.batch.id)
    async with adsum.progress.watch(moving.batch.id, SYSTEM, event_id(status)) as watch:
        waiting = asyncio.create_task(next_of(watch))
        await rounds.pass_by(3)
        assert not waiting.done()
        await moving.record(1)
        assert settled(await waiting) == [20]


async def test_a_resumed_watch_yields_the_current_state_without_intermediate_states(
    adsum: Adsum, moving: MovingRun
) -> None:
    status = await adsum.attendances.get_batch_status(moving.batch.id)
    await moving.record(0)
    await moving.record(1)
    async with adsum.progress.watch(moving.batch.id, SYSTEM, event_id(status)) as watch:
        assert settled(await next_of(watch)) == [20]


async def test_a_watch_resumed_after_the_end_yields_the_terminal_state_again(adsum: Adsum, moving: MovingRun) -> None:
    await moving.cancel()
    status = await adsum.attendances.get_batch_status(moving.batch.id)
    async with adsum.progress.watch(moving.batch.id, SYSTEM, event_id(status)) as watch:
        assert await rest_of(watch) == [status]


async def test_a_newer_run_replaces_the_older_one_and_is_watched_to_its_end(
    adsum: Adsum, school: SchoolIds, moving: MovingRun
) -> None:
    await moving.record(0)
    async with adsum.progress.watch(moving.batch.id, SYSTEM) as watch:
        first = await next_of(watch)
        # No round starts in between.
        await moving.cancel()
        newer = await begin_run(adsum.database, school)
        states = [await next_of(watch)]
        await newer.cancel()
        states += await rest_of(watch)
    newest = [status for status in states if status.run_id == newer.run.run_id]
    assert first.run_id == moving.run.run_id
    assert newest[-1].state is BatchState.CANCELLED
    assert states[-1] == newest[-1]


async def test_a_state_older_than_one_already_yielded_is_dropped(
    adsum: Adsum, school: SchoolIds, moving: MovingRun
) -> None:
    older = [await adsum.attendances.get_batch_status(moving.batch.id)]
    await moving.record(0)
    older.append(await adsum.attendances.get_batch_status(moving.batch.id))
    await moving.cancel()
    older.append(await adsum.attendances.get_batch_status(moving.batch.id))
    newer = await begin_run(adsum.database, school)
    now = await adsum.attendances.get_batch_status(newer.batch.id)
    watch = Watch(None)
    for status in (older[0], now, *older, now):
        watch.offer(status)
    assert await next_of(watch) == now
    for status in (*older, now):
        watch.offer(status)
    watch.end()
    assert await rest_of(watch) == []


async def test_a_slow_listener_keeps_only_the_newest_state(adsum: Adsum, moving: MovingRun, rounds: Rounds) -> None:
    async with adsum.progress.watch(moving.batch.id, SYSTEM) as watch:
        for chunk in range(3):
            await moving.record(chunk)
            await rounds.pass_by(2)
        assert settled(await next_of(watch)) == [30]


async def test_a_missing_batch_ends_its_streams(adsum: Adsum, moving: MovingRun) -> None:
    """As after a restore of an older backup."""
    async with adsum.progress.watch(moving.batch.id, SYSTEM) as watch:
        await next_of(watch)
        async with adsum.database.transaction() as connection:
            await connection.execute(delete(batch_runs))
        assert await rest_of(watch) == []


async def test_an_error_of_the_loop_reaches_the_listeners_and_the_next_listener_restarts_it(
    sqlite_url: str,
) -> None:
    async with open_adsum(Settings(database_url=sqlite_url)) as adsum:
        async with adsum.database.transaction() as connection:
            school = await make_school(connection, students=30)
        moving = await begin_run(adsum.database, school)
        async with adsum.progress.watch(moving.batch.id, SYSTEM) as watch:
            await next_of(watch)
            async with adsum.database.transaction() as connection:
                await connection.execute(text("UPDATE batch_runs SET accepted_at = 'yesterday'"))
            with pytest.raises(ValueError, match="yesterday"):
                await next_of(watch)
            assert adsum.progress.is_idle
            async with adsum.database.transaction() as connection:
                await connection.execute(text("UPDATE batch_runs SET accepted_at = '2024-12-25 09:00:00'"))
        async with adsum.progress.watch(moving.batch.id, SYSTEM) as watch:
            await next_of(watch)
            await moving.record(0)
            assert settled(await next_of(watch)) == [10]


async def test_progress_needs_no_valkey(database_url: str, tmp_path: object) -> None:
    settings = Settings(database_url=database_url, redis_url=f"unix://{tmp_path}/nobody.sock")
    async with open_adsum(settings) as adsum:
        async with adsum.database.transaction() as connection:
            school = await make_school(connection, students=30)
        selection = Selection(is_selected_all=True)
        result = await adsum.attendances.create_batch(submission(school, selection=selection), SYSTEM)
        async with adsum.progress.watch(result.batch_id, SYSTEM) as watch:
            assert settled(await next_of(watch)) == [0]
            await adsum.retry_cancel.cancel(result.batch_id, SYSTEM)
            assert [status.state for status in await rest_of(watch)] == [BatchState.CANCELLED]
