"""Aims faults at the steps of a chunk: most steps of a worker are those of deliveries, events and sweeps."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from adsum.batches.queue.chunks import NAME
from adsum.batches.rules import lock_key
from tests.support.servers.counting import Fault, Moment
from tests.system.faults.installation import Installation, Member

RECORDING = "INSERT INTO attendances"
# A busy worker reaches each step within this time; otherwise the fault is cancelled.
MET_S = 5.0
# Faults at the first step only would always meet a new worker while it prepares its statements.
STEPS = 3


@dataclass(frozen=True, slots=True)
class Aim:
    """A step of a chunk.

    Attributes:
        step: its name in the report.
        server: to which a worker sends it.
        named: part of its name there.
        moments: at which the worker has a chunk.
        answered: part of the reply, if the step may find no chunk.
        holds_recording: the statement that records waits for the step, since no chunk takes as long as a lock lives.
    """

    step: str
    server: str
    named: str
    moments: tuple[Moment, ...] = tuple(Moment)
    answered: bytes = b""
    holds_recording: bool = False


@dataclass(frozen=True, slots=True)
class HeldChunk:
    """A chunk whose message BullMQ has locked for a worker."""

    message: str

    @property
    def run_id(self) -> str:
        return self.message.split("-run-")[1].rsplit("-chunk-", 1)[0]

    @property
    def batch_id(self) -> str:
        return self.message.split("-run-", maxsplit=1)[0]


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault of a worker at a step of a chunk. `chunks`: those that the worker had; none if a sweep made the step."""

    step: str
    worker: Member
    chunks: Sequence[HeldChunk]
    fault: Fault

    def resume(self) -> None:
        """Continues a worker that is frozen, and its step."""
        self.fault.resumed.set()
        self.worker.resume()


def aims_of(installation: Installation) -> list[Aim]:
    """Returns the steps of a chunk in their order. SQLite has no proxy."""
    queue = queue_prefix(installation)
    aims = [
        Aim("fetch", "valkey", f"moveToActive {queue}", (Moment.AFTER,), answered=NAME.encode()),
        Aim("renewal", "valkey", f"extendLocks {queue}", holds_recording=True),
        Aim("record", "postgres", RECORDING),
        Aim("update", "postgres", "UPDATE attendances"),
        Aim("settle", "valkey", "EVALSHA settle "),
        Aim("close", "postgres", "WITH run AS UPDATE batch_runs"),
        Aim("release", "valkey", "EVALSHA release "),
        Aim("finish", "valkey", f"moveToFinished {queue}", (Moment.BEFORE,)),
    ]
    return [aim for aim in aims if installation.is_on_postgres or (aim.server == "valkey" and not aim.holds_recording)]


async def strike(
    installation: Installation,
    workers: Sequence[Member],
    rng: random.Random,
    action: Callable[[Member], None],
    *,
    breaks: bool = True,
) -> Strike | None:
    """Injects a fault into the first worker that reaches a random step of a chunk. Returns None if none does."""
    aim = rng.choice(aims_of(installation))
    step = 1 if aim.holds_recording else rng.randint(1, STEPS)
    chosen = [rng.choice(workers)] if aim.holds_recording else workers
    return await strike_at(aim, rng.choice(aim.moments), installation, chosen, action, step=step, breaks=breaks)


async def strike_at(
    aim: Aim,
    moment: Moment,
    installation: Installation,
    workers: Sequence[Member],
    action: Callable[[Member], None],
    *,
    step: int = 1,
    breaks: bool = True,
) -> Strike | None:
    """Injects a fault into the first of these workers that reaches a step. Returns None if none does."""
    faults = _faults_of(
        workers, aim, action, Fault(step, moment, named=aim.named, answered=aim.answered, breaks=breaks)
    )
    await _first_injected(faults)
    struck = [(worker, fault) for worker, fault in zip(workers, faults, strict=True) if fault.cancel()]
    for worker, fault in zip(workers, faults, strict=True):
        if breaks or not fault.injected.is_set():
            fault.resumed.set()
            for proxy in worker.proxies.values():
                proxy.count()
    if not struck:
        return None
    ((worker, fault),) = struck
    return Strike(aim.step, worker, await held_chunks(installation, worker), fault)


def _faults_of(workers: Sequence[Member], aim: Aim, action: Callable[[Member], None], like: Fault) -> list[Fault]:
    """Arms such a fault for each worker. The first that is injected cancels the others. Returns the faults."""
    faults: list[Fault] = []

    def inject(worker: Member, own: int) -> None:
        for number, fault in enumerate(faults):
            if number != own:
                fault.cancel()
        action(worker)

    for number, worker in enumerate(workers):
        fault = replace(like, action=partial(inject, worker, number), injected=asyncio.Event(), resumed=asyncio.Event())
        faults.append(fault)
        if aim.holds_recording:
            worker.postgres.arm(Fault(1, Moment.BEFORE, named=RECORDING, breaks=False, resumed=fault.resumed))
        worker.proxies[aim.server].arm(fault)
    return faults


async def _first_injected(faults: Sequence[Fault]) -> None:
    waits = [asyncio.ensure_future(fault.injected.wait()) for fault in faults]
    await asyncio.wait(waits, timeout=MET_S, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


async def held_chunks(installation: Installation, worker: Member) -> list[HeldChunk]:
    """Returns the chunks whose messages BullMQ has locked for this worker."""
    names = tuple(str(event["worker"]) for event in worker.find_events("waiting for chunks"))
    redis, queue = installation.adsum.shards[0].redis, queue_prefix(installation)
    active = [str(message) for message in await redis.lrange(f"{queue}active", 0, -1)]
    owners = await redis.mget([f"{queue}{message}:lock" for message in active]) if active else []
    return [
        HeldChunk(message)
        for message, owner in zip(active, owners, strict=True)
        if owner and str(owner).startswith(names)
    ]


async def are_released(installation: Installation, chunks: Sequence[HeldChunk]) -> bool:
    """Returns whether the messages of these chunks are finished and their runs released, as by another worker."""
    shard, queue = installation.adsum.shards[0], queue_prefix(installation)
    async with shard.redis.pipeline(transaction=False) as pipe:
        for chunk in chunks:
            pipe.exists(f"{queue}{chunk.message}")
            pipe.get(shard.key_prefix + lock_key(chunk.batch_id))
        replies = await pipe.execute()
    return not any(replies[::2]) and not {chunk.run_id for chunk in chunks} & set(replies[1::2])


def queue_prefix(installation: Installation) -> str:
    """Returns the prefix of BullMQ's keys of chunks."""
    return f"{installation.settings.key_prefix}bull:{installation.settings.queue_name}:"
