"""One blow at one step of one batch, and what is left to do after it."""

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
from tests.support.servers.counting import Blow, Moment
from tests.system.faults.classes import Platform, platform
from tests.system.faults.installation import QUIET, Installation, Member
from tests.system.faults.oracle import Promise, at_rest, judge, stirring
from tests.system.faults.rescue import rescued

# Enough to hand to a worker all batches of a shot at once.
PACE_OF_GROUPS = QUIET | {"ADSUM_WORKER_CONCURRENCY": "16"}
# A process that froze in a transaction may keep its own batch waiting: longer than this a shot does not wait.
FROZEN_S = 3.0
UNTOUCHED_S = 5.0


class Fault(enum.Enum):
    """Kinds of faults at a step."""

    KILLED_BEFORE = "the client is killed before the step"
    KILLED_AFTER = "the client is killed after the step"
    REPLY_LOST = "the reply is lost with its connection"
    FROZEN = "the client freezes before the step, and wakes up late"


@dataclass(frozen=True, slots=True)
class Shot:
    """Which step of which server is struck, and how."""

    server: str
    step: int
    fault: Fault


@dataclass(frozen=True, slots=True)
class Hit:
    """Result of a shot. `name` is empty if the batch ended before that step. `went_on`: others worked meanwhile."""

    shot: Shot
    name: str
    went_on: bool = False


def aimed(shot: Shot, victim: Member) -> Blow:
    """The blow of a shot at this process, armed."""
    match shot.fault:
        case Fault.KILLED_BEFORE:
            blow = Blow(shot.step, Moment.BEFORE, victim.kill)
        case Fault.KILLED_AFTER:
            blow = Blow(shot.step, Moment.AFTER, victim.kill)
        case Fault.REPLY_LOST:
            blow = Blow(shot.step, Moment.AFTER)
        case Fault.FROZEN:
            blow = Blow(shot.step, Moment.BEFORE, victim.freeze, breaks=False)
    victim.proxies[shot.server].arm(blow)
    return blow


async def fallen(blow: Blow, done: Callable[[], Awaitable[object]]) -> bool:
    """Waits for the blow; False: what it was to strike is done, and it falls no more.

    Or nobody does it: a rescuer that stopped may have taken the chunk with its last breath, and victims do not look for
    stalled ones. Then the next rescuer does, and the shot is repeated.
    """
    deadline = time.monotonic() + UNTOUCHED_S
    while not blow.fallen.is_set():
        if await done() or time.monotonic() > deadline:
            return blow.call_off()
        await asyncio.sleep(0.02)
    return True


@dataclass
class WorkerRange:
    """Shots at workers: each shot has one batch, which a worker alone takes; who survives takes the next.

    With `at_once` batches each shot has so many, queued while the queue is paused: those that it takes while it
    is at the first one are written, settled, closed and released together.
    """

    installation: Installation
    stack: AsyncExitStack
    platform: Platform
    victim: Member | None = None
    at_once: int = 1

    async def shoot(self, shot: Shot, batches: Iterator[Batch]) -> Hit:
        if self.victim is None or not self.victim.is_alive:
            self.victim = await self.installation.worker(self.stack, PACE_OF_GROUPS if self.at_once > 1 else QUIET)
        blow = aimed(shot, self.victim)
        promises = await self.promised(batches)
        fell = await fallen(blow, self._is_over)
        async with rescued(self.installation):
            went_on = await self._awaken(blow, self.victim) if shot.fault is Fault.FROZEN and fell else False
            await judge(self.installation, promises)
        return Hit(shot, blow.hit, went_on)

    async def promised(self, batches: Iterator[Batch]) -> list[Promise]:
        """Promises of `at_once` batches, which the worker finds waiting all at the same time."""
        if self.at_once == 1:
            return [await self.platform.promised(next(batches))]
        async with wiring.open_queue_control(self.installation.settings) as control:
            await control.pause()
            try:
                return [await self.platform.promised(next(batches)) for _ in range(self.at_once)]
            finally:
                await control.resume()

    async def _awaken(self, blow: Blow, victim: Member) -> bool:
        try:
            await at_rest(self.installation, FROZEN_S)
        except AssertionError:
            return False
        finally:
            blow.over.set()
            victim.thaw()
            victim.end()  # it finishes what it has
            await victim.gone()
        return True

    async def _is_over(self) -> bool:
        # The victim does not sweep: a run that the API could not enqueue in its 250 ms would wait for ever.
        await self.installation.adsum.sweeper.sweep()
        return not await stirring(self.installation)


@dataclass
class ApiRange:
    """Shots at the API: each shot has one request, which is sent again until it is answered."""

    installation: Installation
    stack: AsyncExitStack
    platform: Platform
    victim: Member

    async def shoot(self, shot: Shot, batches: Iterator[Batch]) -> Hit:
        batch = next(batches)
        if not self.victim.is_alive:
            self.victim, address = await self.installation.api(self.stack)
            self.platform = await self.stack.enter_async_context(platform(address, self.platform.classes))
        blow = aimed(shot, self.victim)
        promises = await self._answered(batch)
        blow.call_off()
        await judge(self.installation, promises)
        assert (await self._status(batch)) == (28 + 2, "completed"), "sent again, and still not there"
        return Hit(shot, blow.hit)

    async def _answered(self, batch: Batch) -> list[Promise]:
        """Sends until there is an answer that is one; whatever was promised on the way counts."""
        for _ in range(3):
            try:
                answer = await self.platform.mark(batch)
            except httpx2.TransportError:
                await self.victim.gone()
                self.victim, address = await self.installation.api(self.stack)
                self.platform = await self.stack.enter_async_context(platform(address, self.platform.classes))
                continue
            match answer.status_code:
                case 202:
                    return [self.platform.promise(answer)]
                case 200:  # it was accepted after all
                    return []
                case 503:
                    assert answer.headers["Retry-After"]
                case other:
                    raise AssertionError(f"{other}: {answer.text}")
        raise AssertionError("three times without an answer")

    async def _status(self, batch: Batch) -> tuple[int, str]:
        status = (await self.platform.client.get(f"/attendances/batch-status/{batch.id}")).json()
        return status["recordedJobs"], status["state"]
