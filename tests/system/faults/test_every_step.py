"""Injects a fault at each step of a batch, at Valkey and at the database, of a worker and of the API."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack

import pytest

from adsum.platform.ids import Batch
from tests.system.faults.classes import Classes, create_classes, platform
from tests.system.faults.conftest import NewInstallation
from tests.system.faults.injection import GROUP_PACE, ApiTarget, FaultKind, FaultPoint, Injection, WorkerTarget
from tests.system.faults.installation import QUIET, Installation, Member
from tests.system.faults.oracle import Promise, verify
from tests.system.faults.rescue import rescue_worker

# Concurrent installations: most of the time passes waiting for locks that expire.
LANES = 3
INJECTION_S = 60
# Batches in progress when a fault interrupts a group.
GROUP = 3

# Undisturbed batches whose steps are counted.
COUNTED = 3

# The number of steps differs by a poll of BullMQ. An injection that met no step is repeated.
TRIES = 3

# A client that is killed after one step has sent no other, so the servers are left as by a death before the next step.
# A death before a step is therefore injected at each server's first one only.
OF_WORKERS = tuple(FaultKind)
OF_GROUPS = (FaultKind.KILLED_BEFORE, FaultKind.KILLED_AFTER, FaultKind.REPLY_LOST)
OF_APIS = (FaultKind.KILLED_BEFORE, FaultKind.KILLED_AFTER, FaultKind.REPLY_LOST)


@pytest.mark.parametrize("kind", OF_WORKERS, ids=lambda kind: kind.name.lower())
async def test_a_fault_of_a_worker_at_any_step_of_a_batch_breaks_no_promise(
    new_installation: NewInstallation, stack: AsyncExitStack, kind: FaultKind, share: int
) -> None:
    targets = [await new_worker_target(new_installation, stack) for _ in range(LANES)]
    points = points_of(await worker_steps(*targets[0]), kind, share)
    assert_injected(await inject_until_met(targets, points), points)


@pytest.mark.parametrize("kind", OF_GROUPS, ids=lambda kind: kind.name.lower())
async def test_a_fault_of_a_worker_at_any_step_of_a_group_of_batches_breaks_no_promise(
    new_installation: NewInstallation, stack: AsyncExitStack, kind: FaultKind, share: int
) -> None:
    """The grouping differs between injections, and with it the number of steps, so some faults meet no step. On
    Postgres the steps of Postgres are injected, on SQLite those of Valkey.
    """
    targets = [await new_worker_target(new_installation, stack, at_once=GROUP) for _ in range(LANES)]
    aims = {
        server: steps
        for server, steps in (await worker_steps(*targets[0])).items()
        if server == "postgres" or not targets[0][0].installation.is_on_postgres
    }
    points = points_of(aims, kind, share)
    injections = await inject_all(targets, points)
    assert len(injections) == len(points)
    assert sum(bool(injection.name) for injection in injections) >= len(points) / 2, "most faults met no step"


@pytest.mark.parametrize("kind", OF_APIS, ids=lambda kind: kind.name.lower())
async def test_a_fault_of_the_api_at_any_step_of_a_request_breaks_no_promise(
    new_installation: NewInstallation, stack: AsyncExitStack, kind: FaultKind, share: int
) -> None:
    targets = [await new_api_target(new_installation, stack) for _ in range(LANES)]
    points = points_of(await api_steps(*targets[0]), kind, share)
    assert_injected(await inject_until_met(targets, points), points)


def points_of(steps: Mapping[str, Sequence[int]], kind: FaultKind, share: int) -> list[FaultPoint]:
    """Returns where faults of this kind are injected: at one of `share` steps, which are others for each kind."""
    if kind is FaultKind.KILLED_BEFORE:
        return [FaultPoint(server, those[0], kind) for server, those in steps.items() if those]
    first = list(FaultKind).index(kind) % share
    return [FaultPoint(server, step, kind) for server, those in steps.items() for step in those[first::share]]


def assert_injected(injections: list[Injection], points: list[FaultPoint]) -> None:
    """Requires that each fault met its step. BullMQ's last poll is optional, which is never the first step."""
    missed = [injection.point for injection in injections if not injection.name]
    assert len(injections) == len(points)
    assert len(missed) <= (len(points) > 1), f"faults that met no step: {missed}"
    frozen = [injection for injection in injections if injection.point.kind is FaultKind.FROZEN]
    assert sum(injection.went_on for injection in frozen) >= len(frozen) / 2, "freezes without a takeover"


async def new_worker_target(
    new_installation: NewInstallation, stack: AsyncExitStack, *, at_once: int = 1
) -> tuple[WorkerTarget, Iterator[Batch]]:
    installation = await stack.enter_async_context(new_installation())
    classes, _, address = await open_school(installation, stack)
    client = await stack.enter_async_context(platform(address, classes))
    return WorkerTarget(installation, stack, client, at_once=at_once), classes.batches()


async def new_api_target(new_installation: NewInstallation, stack: AsyncExitStack) -> tuple[ApiTarget, Iterator[Batch]]:
    installation = await stack.enter_async_context(new_installation())
    classes, api, address = await open_school(installation, stack)
    await stack.enter_async_context(rescue_worker(installation))
    return ApiTarget(
        installation, stack, await stack.enter_async_context(platform(address, classes)), api
    ), classes.batches()


async def open_school(installation: Installation, stack: AsyncExitStack) -> tuple[Classes, Member, str]:
    classes = await create_classes(installation)
    api, address = await installation.api(stack)
    return classes, api, address


async def worker_steps(of: WorkerTarget, batches: Iterator[Batch]) -> dict[str, range]:
    """Returns the range of a worker's steps for one batch, by server."""
    victim = of.victim = await of.installation.worker(of.stack, QUIET if of.at_once == 1 else GROUP_PACE)
    return await counted(of, victim, lambda: of.mark_accepted(batches))


async def api_steps(of: ApiTarget, batches: Iterator[Batch]) -> dict[str, range]:
    """Returns the range of the API's steps for one request, by server."""

    async def mark_batches() -> list[Promise]:
        return [await of.platform.mark_accepted(next(batches))]

    return await counted(of, of.victim, mark_batches)


async def counted(
    of: WorkerTarget | ApiTarget, member: Member, mark_batches: Callable[[], Awaitable[list[Promise]]]
) -> dict[str, range]:
    """Counts the steps of undisturbed batches and returns the lowest count. A first batch loads the scripts.

    On a busy machine a batch may be enqueued twice; the lowest count excludes these steps.
    """
    await verify(of.installation, await mark_batches())
    counts: list[dict[str, int]] = []
    for _ in range(COUNTED):
        for proxy in member.proxies.values():
            proxy.count()
        await verify(of.installation, await mark_batches())
        counts.append({server: len(proxy.steps) for server, proxy in member.proxies.items()})
    return {server: range(1, min(count[server] for count in counts) + 1) for server in member.proxies}


async def inject_until_met(
    targets: list[tuple[WorkerTarget, Iterator[Batch]]] | list[tuple[ApiTarget, Iterator[Batch]]],
    points: list[FaultPoint],
) -> list[Injection]:
    """Repeats injections that met no step: BullMQ polls once more for some batches than for others."""
    injections = await inject_all(targets, points)
    if missed := [injection.point for injection in injections if not injection.name]:
        again = await inject_all(targets, missed)
        injections = [injection for injection in injections if injection.name] + again
    return injections


async def inject_all(
    targets: list[tuple[WorkerTarget, Iterator[Batch]]] | list[tuple[ApiTarget, Iterator[Batch]]],
    points: list[FaultPoint],
) -> list[Injection]:
    """Injects all points, distributed over lanes that run concurrently."""
    waiting = iter(points)
    injections: list[Injection] = []

    async def run_lane(of: WorkerTarget | ApiTarget, batches: Iterator[Batch]) -> None:
        for point in waiting:
            injections.append(await inject(of, point, batches))  # noqa: PERF401 - the lanes share one list

    await asyncio.gather(*(run_lane(of, batches) for of, batches in targets))
    return injections


async def inject(of: WorkerTarget | ApiTarget, point: FaultPoint, batches: Iterator[Batch]) -> Injection:
    injection = Injection(point, "")
    for _ in range(TRIES):
        async with asyncio.timeout(INJECTION_S):
            injection = await of.inject(point, batches)
        if injection.name:
            break
    return injection
