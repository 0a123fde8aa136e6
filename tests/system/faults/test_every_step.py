"""Every step of a batch, at Valkey and at the database, of a worker and of the API: struck, once each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from adsum.platform.ids import Batch
from tests.system.faults.classes import Classes, found_classes, platform
from tests.system.faults.conftest import NewInstallation
from tests.system.faults.installation import QUIET, Installation, Member
from tests.system.faults.oracle import Promise, judge
from tests.system.faults.rescue import rescued
from tests.system.faults.steps import PACE_OF_GROUPS, ApiRange, Fault, Hit, Shot, WorkerRange

# Houses side by side: most of a shot is waiting for locks that expire.
LANES = 3
SHOT_S = 60
# Batches that are in flight when a group is struck.
GROUP = 3

# Undisturbed batches whose steps are counted.
COUNTED = 3

# What steps there are differs by a poll of BullMQ more or less: a shot that met nothing is repeated.
TRIES = 3

OF_WORKERS = tuple(Fault)
OF_GROUPS = (Fault.KILLED_BEFORE, Fault.KILLED_AFTER, Fault.REPLY_LOST)
OF_APIS = (Fault.KILLED_BEFORE, Fault.KILLED_AFTER, Fault.REPLY_LOST)


@pytest.mark.parametrize("fault", OF_WORKERS, ids=lambda fault: fault.name.lower())
async def test_a_fault_of_a_worker_at_any_step_of_a_batch_breaks_no_promise(
    new_installation: NewInstallation, stack: AsyncExitStack, fault: Fault
) -> None:
    ranges = [await worker_range(new_installation, stack) for _ in range(LANES)]
    shots = [Shot(server, step, fault) for server, steps in (await worker_steps(*ranges[0])).items() for step in steps]
    assert_hit(await shoot_until_hit(ranges, shots), shots)


@pytest.mark.parametrize("fault", OF_GROUPS, ids=lambda fault: fault.name.lower())
async def test_a_fault_of_a_worker_at_any_step_of_a_group_of_batches_breaks_no_promise(
    new_installation: NewInstallation, stack: AsyncExitStack, fault: Fault
) -> None:
    """How they are grouped differs from shot to shot, and with it how many steps there are: some blows meet nothing. On
    Postgres its own steps are aimed at, on SQLite those of Valkey.
    """
    ranges = [await worker_range(new_installation, stack, at_once=GROUP) for _ in range(LANES)]
    aims = {
        server: steps
        for server, steps in (await worker_steps(*ranges[0])).items()
        if server == "postgres" or not ranges[0][0].installation.is_on_postgres
    }
    shots = [Shot(server, step, fault) for server, steps in aims.items() for step in steps]
    hits = await shoot_all(ranges, shots)
    assert len(hits) == len(shots)
    assert sum(bool(hit.name) for hit in hits) >= len(shots) / 2, "most blows met nothing"


@pytest.mark.parametrize("fault", OF_APIS, ids=lambda fault: fault.name.lower())
async def test_a_fault_of_the_api_at_any_step_of_a_request_breaks_no_promise(
    new_installation: NewInstallation, stack: AsyncExitStack, fault: Fault
) -> None:
    ranges = [await api_range(new_installation, stack) for _ in range(LANES)]
    shots = [Shot(server, step, fault) for server, steps in (await api_steps(*ranges[0])).items() for step in steps]
    assert_hit(await shoot_until_hit(ranges, shots), shots)


def assert_hit(hits: list[Hit], shots: list[Shot]) -> None:
    """No empty blows, but for the last polls of BullMQ, which are not always there."""
    missed = [hit.shot for hit in hits if not hit.name]
    assert len(hits) == len(shots)
    assert len(missed) <= 1, f"blows that met nothing: {missed}"
    frozen = [hit for hit in hits if hit.shot.fault is Fault.FROZEN]
    assert sum(hit.went_on for hit in frozen) >= len(frozen) / 2, "freezes that nobody noticed"


async def worker_range(
    new_installation: NewInstallation, stack: AsyncExitStack, *, at_once: int = 1
) -> tuple[WorkerRange, Iterator[Batch]]:
    installation = await stack.enter_async_context(new_installation())
    classes, _, address = await opened(installation, stack)
    client = await stack.enter_async_context(platform(address, classes))
    return WorkerRange(installation, stack, client, at_once=at_once), classes.batches()


async def api_range(new_installation: NewInstallation, stack: AsyncExitStack) -> tuple[ApiRange, Iterator[Batch]]:
    installation = await stack.enter_async_context(new_installation())
    classes, api, address = await opened(installation, stack)
    await stack.enter_async_context(rescued(installation))
    return ApiRange(
        installation, stack, await stack.enter_async_context(platform(address, classes)), api
    ), classes.batches()


async def opened(installation: Installation, stack: AsyncExitStack) -> tuple[Classes, Member, str]:
    classes = await found_classes(installation)
    api, address = await installation.api(stack)
    return classes, api, address


async def worker_steps(of: WorkerRange, batches: Iterator[Batch]) -> dict[str, range]:
    """Number of steps of a worker for one batch, by server."""
    victim = of.victim = await of.installation.worker(of.stack, QUIET if of.at_once == 1 else PACE_OF_GROUPS)
    return await counted(of, victim, lambda: of.promised(batches))


async def api_steps(of: ApiRange, batches: Iterator[Batch]) -> dict[str, range]:
    """Number of steps of the API for one request, by server."""

    async def promised() -> list[Promise]:
        return [await of.platform.promised(next(batches))]

    return await counted(of, of.victim, promised)


async def counted(
    of: WorkerRange | ApiRange, member: Member, promised: Callable[[], Awaitable[list[Promise]]]
) -> dict[str, range]:
    """The steps of a batch that nothing disturbs: the fewest of a few, after a first one that loads the scripts.

    One that could not be queued in its time, on a busy machine, is queued again: those steps are no part of each batch.
    """
    await judge(of.installation, await promised())
    counts: list[dict[str, int]] = []
    for _ in range(COUNTED):
        for proxy in member.proxies.values():
            proxy.count()
        await judge(of.installation, await promised())
        counts.append({server: len(proxy.steps) for server, proxy in member.proxies.items()})
    return {server: range(1, min(count[server] for count in counts) + 1) for server in member.proxies}


async def shoot_until_hit(
    ranges: list[tuple[WorkerRange, Iterator[Batch]]] | list[tuple[ApiRange, Iterator[Batch]]], shots: list[Shot]
) -> list[Hit]:
    """Shoots again what met nothing: on a busy machine BullMQ polls once more in one batch than in another."""
    hits = await shoot_all(ranges, shots)
    if missed := [hit.shot for hit in hits if not hit.name]:
        again = await shoot_all(ranges, missed)
        hits = [hit for hit in hits if hit.name] + again
    return hits


async def shoot_all(
    ranges: list[tuple[WorkerRange, Iterator[Batch]]] | list[tuple[ApiRange, Iterator[Batch]]], shots: list[Shot]
) -> list[Hit]:
    """Lanes side by side, each taking the next shot; one after the other within a lane."""
    waiting = iter(shots)
    hits: list[Hit] = []

    async def lane(of: WorkerRange | ApiRange, batches: Iterator[Batch]) -> None:
        for shot in waiting:
            hits.append(await shoot(of, shot, batches))  # noqa: PERF401 - the lanes take turns at one list

    await asyncio.gather(*(lane(of, batches) for of, batches in ranges))
    return hits


async def shoot(of: WorkerRange | ApiRange, shot: Shot, batches: Iterator[Batch]) -> Hit:
    hit = Hit(shot, "")
    for _ in range(TRIES):
        async with asyncio.timeout(SHOT_S):
            hit = await of.shoot(shot, batches)
        if hit.name:
            break
    return hit
