"""Blows at workers that have a chunk in hand, and what their chunks were."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from redis.asyncio import Redis

from adsum.platform.redis.connection import open_redis
from tests.support.servers.counting import Blow, Moment
from tests.system.faults.chaos.stage import Stage
from tests.system.faults.installation import Member

# Of a worker that gets one chunk after the other a blow at any of these steps falls soon; else it is called off.
STEPS = 30
REQUEST_DEADLINE_S = 5.0


@dataclass(frozen=True, slots=True)
class Struck:
    """A blow that fell: at which step, and which runs' chunks the worker had."""

    step: str
    run_ids: list[str]


async def strike(
    stage: Stage, victim: Member, how: Callable[[], None], *, breaks: bool = True
) -> tuple[Blow, Struck] | None:
    """Strikes a worker at a random step. None: it had no chunk in hand, or nothing to do."""
    server = stage.chance.choice(["valkey", "postgres"])
    moment = stage.chance.choice([Moment.BEFORE, Moment.AFTER]) if breaks else Moment.BEFORE
    blow = Blow(stage.chance.randint(1, STEPS), moment, how, breaks=breaks)
    victim.proxies[server].arm(blow)
    try:
        await asyncio.wait_for(blow.fallen.wait(), REQUEST_DEADLINE_S)
    except TimeoutError:
        if not blow.call_off():
            return None
    return blow, Struck(f"{server} {blow.hit}", await chunks_in_hand(stage, victim))


async def chunks_in_hand(stage: Stage, worker: Member) -> list[str]:
    """The runs whose chunks BullMQ has given to this worker, as its locks tell."""
    name = (await worker.says("waiting for chunks"))["worker"]
    url, prefix = stage.installation.settings.redis_url, stage.installation.settings.key_prefix
    assert url is not None
    redis: Redis = open_redis(url, connections=2, socket_timeout=5)
    try:
        queue = f"{prefix}bull:{stage.installation.settings.queue_name}"
        active = [str(chunk) for chunk in await redis.lrange(f"{queue}:active", 0, -1)]
        owners = await redis.mget([f"{queue}:{chunk}:lock" for chunk in active]) if active else []
    finally:
        await redis.aclose()
    held = [chunk for chunk, owner in zip(active, owners, strict=True) if owner and str(owner).startswith(str(name))]
    return [chunk.split("-run-", 1)[1].rsplit("-chunk-", 1)[0] for chunk in held]
