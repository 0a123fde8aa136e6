"""Permissions, limits and costs of listeners."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from adsum.accounts.access import Caller, Permission, Role, system_caller
from adsum.batches.progress import INTERVAL_S, Progress, TooManyListeners
from adsum.platform.errors import Forbidden, NotFound
from adsum.wiring import Adsum
from tests.batches.progress.conftest import MovingRun, begin_run
from tests.batches.progress.rounds import Rounds
from tests.batches.progress.taking import next_of, rest_of, settled
from tests.support.schools import SchoolIds, caller, make_school
from tests.support.waiting import until

SYSTEM = system_caller()
PEOPLE = (Role.OFFICE, Role.VIEWER, Role.OFFICE)


async def test_a_hundred_listeners_share_one_query_and_no_listener_causes_none(
    adsum: Adsum, school: SchoolIds, moving: MovingRun, rounds: Rounds
) -> None:
    async with adsum.database.transaction() as connection:
        others = [await make_school(connection, students=1) for _ in range(4)]
    batches = [moving, *[await begin_run(adsum.database, other) for other in others]]
    async with AsyncExitStack() as stack:
        for i in range(100):
            await stack.enter_async_context(adsum.progress.watch(batches[i % 5].batch.id, SYSTEM))
        await rounds.pass_by(1)
        begin, statements, number = time.monotonic(), len(rounds.statements), rounds.number
        await rounds.pass_by(5)
        # Two statements per round, including the round in progress, regardless of the number of listeners and batches.
        assert len(rounds.statements) - statements <= 2 * (rounds.number - number) + 1
        assert time.monotonic() - begin > 4 * INTERVAL_S
        assert adsum.progress.listeners == 100
        assert not adsum.progress.is_idle

    async def idle() -> bool:
        return adsum.progress.is_idle

    await until(idle)
    assert adsum.progress.listeners == 0
    done = len(rounds.statements)
    async with adsum.progress.watch(moving.batch.id, SYSTEM) as watch:  # the loop starts again
        await moving.record(0)
        assert settled(await next_of(watch))[0] in {0, 10}
    assert len(rounds.statements) > done


async def test_a_caller_without_permission_or_visibility_is_refused_at_once(
    adsum: Adsum, school: SchoolIds, moving: MovingRun
) -> None:
    watchers: list[tuple[Caller, str, type[Exception]]] = [
        (Caller(Role.KEY, frozenset({Permission.ATTENDANCE_CREATE})), moving.batch.id, Forbidden),
        (caller(Role.OFFICE, school.school_id + 1), moving.batch.id, NotFound),
        (caller(Role.TEACHER, school.school_id, school.teacher_id + 1), moving.batch.id, NotFound),
        (SYSTEM, "class-1-session-99-date-25122024", NotFound),
        (SYSTEM, "nonsense", NotFound),
    ]
    for user, batch_id, error in watchers:
        with pytest.raises(error):
            async with adsum.progress.watch(batch_id, user):
                pytest.fail("it listens")
    assert (adsum.progress.listeners, adsum.progress.is_idle) == (0, True)
    async with adsum.progress.watch(moving.batch.id, caller(Role.TEACHER, school.school_id, school.teacher_id)):
        assert adsum.progress.listeners == 1


async def test_beyond_the_limit_a_listener_is_refused_until_another_one_leaves(adsum: Adsum, moving: MovingRun) -> None:
    progress = Progress(adsum.database, adsum.attendances, max_listeners=1)
    async with progress.watch(moving.batch.id, SYSTEM):
        with pytest.raises(TooManyListeners):
            async with progress.watch(moving.batch.id, SYSTEM):
                pytest.fail("it listens")
        assert progress.listeners == 1
    async with progress.watch(moving.batch.id, SYSTEM):
        assert progress.listeners == 1
    await progress.close()


async def test_one_caller_or_one_address_cannot_take_the_streams_of_the_others(
    adsum: Adsum, school: SchoolIds, moving: MovingRun
) -> None:
    progress, batch_id = Progress(adsum.database, adsum.attendances, of_caller=1, of_address=2), moving.batch.id
    office, viewer, other = [caller(role, school.school_id, number) for number, role in enumerate(PEOPLE, start=7)]
    async with progress.watch(batch_id, office, address="192.0.2.1"):
        with pytest.raises(TooManyListeners, match="this caller follows 1 batches already"):
            async with progress.watch(batch_id, office, address="192.0.2.2"):
                pytest.fail("it listens")
        async with progress.watch(batch_id, viewer, address="192.0.2.1"):
            with pytest.raises(TooManyListeners, match="this address") as refused:
                async with progress.watch(batch_id, other, address="192.0.2.1"):
                    pytest.fail("it listens")
            assert refused.value.params == {"limit": 2, "of": "address"}
            async with progress.watch(batch_id, other):
                assert progress.listeners == 3
    async with progress.watch(batch_id, replace(office, key_id=1), address="192.0.2.1"):
        with pytest.raises(TooManyListeners):
            async with progress.watch(batch_id, replace(viewer, key_id=1)):
                pytest.fail("it listens")
        assert progress.listeners == 1
    await progress.close()


async def test_stopping_ends_streams_and_later_streams_end_after_the_current_state(
    adsum: Adsum, moving: MovingRun
) -> None:
    async with adsum.progress.watch(moving.batch.id, SYSTEM) as watch:
        first = await next_of(watch)
        ending = asyncio.create_task(rest_of(watch))
        adsum.progress.stop()
        assert await ending == []
    async with adsum.progress.watch(moving.batch.id, SYSTEM) as watch:
        assert await rest_of(watch) == [first]
