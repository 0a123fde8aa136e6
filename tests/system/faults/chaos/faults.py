"""Injects faults into workers that process a chunk, and finds the runs of these chunks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from redis.asyncio import Redis

from adsum.platform.redis.connection import open_redis
from tests.support.servers.counting import Fault, Moment
from tests.system.faults.chaos.testbed import Testbed
from tests.system.faults.installation import Member

# A busy worker reaches each of these steps soon; otherwise the fault is cancelled.
STEPS = 30
REQUEST_DEADLINE_S = 5.0


@dataclass(frozen=True, slots=True)
class StruckWorker:
    """An injected fault: its step, and the runs whose chunks the worker processed."""

    step: str
    run_ids: list[str]


async def inject_fault(
    testbed: Testbed, victim: Member, action: Callable[[], None], *, breaks: bool = True
) -> tuple[Fault, StruckWorker] | None:
    """Injects a fault into a worker at a random step. Returns None if the worker had no work."""
    server = testbed.rng.choice(["valkey", "postgres"])
    moment = testbed.rng.choice([Moment.BEFORE, Moment.AFTER]) if breaks else Moment.BEFORE
    fault = Fault(testbed.rng.randint(1, STEPS), moment, action, breaks=breaks)
    victim.proxies[server].arm(fault)
    try:
        await asyncio.wait_for(fault.injected.wait(), REQUEST_DEADLINE_S)
    except TimeoutError:
        if not fault.cancel():
            return None
    return fault, StruckWorker(f"{server} {fault.step_name}", await active_runs(testbed, victim))


async def active_runs(testbed: Testbed, worker: Member) -> list[str]:
    """Returns the runs whose chunks BullMQ has locked for this worker."""
    name = (await worker.wait_for_event("waiting for chunks"))["worker"]
    url, prefix = testbed.installation.settings.redis_url, testbed.installation.settings.key_prefix
    assert url is not None
    redis: Redis = open_redis(url, connections=2, socket_timeout=5)
    try:
        queue = f"{prefix}bull:{testbed.installation.settings.queue_name}"
        active = [str(chunk) for chunk in await redis.lrange(f"{queue}:active", 0, -1)]
        owners = await redis.mget([f"{queue}:{chunk}:lock" for chunk in active]) if active else []
    finally:
        await redis.aclose()
    held = [chunk for chunk, owner in zip(active, owners, strict=True) if owner and str(owner).startswith(str(name))]
    return [chunk.split("-run-", 1)[1].rsplit("-chunk-", 1)[0] for chunk in held]
