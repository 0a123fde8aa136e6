"""Injects one fault at one step of one batch, and verifies the recovery."""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx2

from adsum import wiring
from adsum.platform.ids import Batch
from tests.support.servers.counting import Fault, Moment
from tests.system.faults.classes import Platform, platform
from tests.system.faults.installation import QUIET, Installation, Member
from tests.system.faults.oracle import Promise, find_activity, verify, wait_until_idle
from tests.system.faults.rescue import rescue_worker

# Enough concurrency for all batches of one injection.
GROUP_PACE = QUIET | {"ADSUM_WORKER_CONCURRENCY": "16"}
# A process frozen in a transaction may block its own batch; an injection waits at most this long.
FROZEN_S = 3.0
NOT_MET_S = 5.0


class FaultKind(enum.Enum):
    """Kinds of faults at a step."""

    KILLED_BEFORE = "the client is killed before the step"
    KILLED_AFTER = "the client is killed after the step"
    REPLY_LOST = "the reply is lost with its connection"
    FROZEN = "the client freezes before the step, and resumes late"


@dataclass(frozen=True, slots=True)
class FaultPoint:
    """A step of a server's protocol, and the kind of fault to inject there."""

    server: str
    step: int
    kind: FaultKind


@dataclass(frozen=True, slots=True)
class Injection:
    """Result of an injection. `name` is empty if the batch ended before that step. `went_on`: others finished
    meanwhile.
    """

    point: FaultPoint
    name: str
    went_on: bool = False


def arm_fault(point: FaultPoint, victim: Member) -> Fault:
    """Arms the fault of a point in this process's proxy."""
    match point.kind:
        case FaultKind.KILLED_BEFORE:
            fault = Fault(point.step, Moment.BEFORE, victim.kill)
        case FaultKind.KILLED_AFTER:
            fault = Fault(point.step, Moment.AFTER, victim.kill)
        case FaultKind.REPLY_LOST:
            fault = Fault(point.step, Moment.AFTER)
        case FaultKind.FROZEN:
            fault = Fault(point.step, Moment.BEFORE, victim.freeze, breaks=False)
    victim.proxies[point.server].arm(fault)
    return fault


async def wait_for_injection(fault: Fault, done: Callable[[], Awaitable[object]]) -> bool:
    """Waits for the fault. Returns False if the work is done and the fault is cancelled.

    The work may also be stuck: a rescue worker that stopped may hold the chunk, and victims do not check for stalled
    chunks. The next rescue worker takes it, and the injection is repeated.
    """
    deadline = time.monotonic() + NOT_MET_S
    while not fault.injected.is_set():
        if await done() or time.monotonic() > deadline:
            return fault.cancel()
        await asyncio.sleep(0.02)
    return True


@dataclass
class WorkerTarget:
    """Injects faults into workers. Each injection has one batch, which only the victim processes; a survivor is reused.

    With `at_once`, each injection has that many batches, queued while the queue is paused: the worker writes, settles,
    closes and releases those that it fetches while it processes the first one together.
    """

    installation: Installation
    stack: AsyncExitStack
    platform: Platform
    victim: Member | None = None
    at_once: int = 1

    async def inject(self, point: FaultPoint, batches: Iterator[Batch]) -> Injection:
        if self.victim is None or not self.victim.is_alive:
            self.victim = await self.installation.worker(self.stack, GROUP_PACE if self.at_once > 1 else QUIET)
        fault = arm_fault(point, self.victim)
        promises = await self.mark_accepted(batches)
        injected = await wait_for_injection(fault, self._is_idle)
        async with rescue_worker(self.installation):
            went_on = (
                await self._resume_late(fault, self.victim) if point.kind is FaultKind.FROZEN and injected else False
            )
            await verify(self.installation, promises)
        return Injection(point, fault.step_name, went_on)

    async def mark_accepted(self, batches: Iterator[Batch]) -> list[Promise]:
        """Marks `at_once` batches, which are all queued before the worker can fetch one."""
        if self.at_once == 1:
            return [await self.platform.mark_accepted(next(batches))]
        async with wiring.open_queue_control(self.installation.settings) as control:
            await control.pause()
            try:
                return [await self.platform.mark_accepted(next(batches)) for _ in range(self.at_once)]
            finally:
                await control.resume()

    async def _resume_late(self, fault: Fault, victim: Member) -> bool:
        try:
            await wait_until_idle(self.installation, FROZEN_S)
        except AssertionError:
            return False
        finally:
            fault.resumed.set()
            victim.resume()
            victim.terminate()  # it finishes its chunk
            await victim.wait_until_ended()
        return True

    async def _is_idle(self) -> bool:
        # The victim does not sweep, so this sweep enqueues a run that the API could not enqueue within 250 ms.
        await self.installation.adsum.sweeper.sweep()
        return not await find_activity(self.installation)


@dataclass
class ApiTarget:
    """Injects faults into the API. Each injection has one request, which is sent again until it is answered."""

    installation: Installation
    stack: AsyncExitStack
    platform: Platform
    victim: Member

    async def inject(self, point: FaultPoint, batches: Iterator[Batch]) -> Injection:
        batch = next(batches)
        if not self.victim.is_alive:
            self.victim, address = await self.installation.api(self.stack)
            self.platform = await self.stack.enter_async_context(platform(address, self.platform.classes))
        fault = arm_fault(point, self.victim)
        promises = await self._send_until_answered(batch)
        fault.cancel()
        await verify(self.installation, promises)
        assert (await self._status(batch)) == (28 + 2, "completed"), "not recorded after it was sent again"
        return Injection(point, fault.step_name)

    async def _send_until_answered(self, batch: Batch) -> list[Promise]:
        """Sends the request until it is answered. Returns the promises made on the way."""
        for _ in range(3):
            try:
                response = await self.platform.mark(batch)
            except httpx2.TransportError:
                await self.victim.wait_until_ended()
                self.victim, address = await self.installation.api(self.stack)
                self.platform = await self.stack.enter_async_context(platform(address, self.platform.classes))
                continue
            match response.status_code:
                case 202:
                    return [self.platform.promise(response)]
                case 200:  # an earlier request was accepted
                    return []
                case 503:
                    assert response.headers["Retry-After"]
                case other:
                    raise AssertionError(f"{other}: {response.text}")
        raise AssertionError("three times without an answer")

    async def _status(self, batch: Batch) -> tuple[int, str]:
        status = (await self.platform.client.get(f"/attendances/batch-status/{batch.id}")).json()
        return status["recordedJobs"], status["state"]
