"""The worker that recovers from a fault: runs in the test's process, and checks for stalled work at short intervals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from adsum.batches.queue.ledger import LEADER
from adsum.batches.queue.worker import ChunkWorker
from adsum.platform.redis.connection import open_redis, translated
from adsum.platform.redis.shards import Shard
from adsum.platform.redis.workers import WorkerOptions
from tests.system.faults.installation import Installation

STOP_S = 30


@asynccontextmanager
async def rescue_worker(installation: Installation) -> AsyncGenerator[None]:
    """Runs a worker and a sweeper until the block ends."""
    await _clear_leader(installation)
    stop = asyncio.Event()
    work = asyncio.gather(
        *(_rescuer(installation, shard).run(stop) for shard in installation.adsum.shards),
        *(sweeper.run(stop) for sweeper in installation.adsum.sweepers),
    )
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(work, STOP_S)


async def _clear_leader(installation: Installation) -> None:
    """Removes the leadership of a killed worker, which otherwise lasts twice its sweep interval of a minute."""
    assert installation.settings.redis_url is not None
    for shard in installation.adsum.shards:
        redis = open_redis(
            installation.settings.redis_url, connections=1, socket_timeout=5, key_prefix=shard.key_prefix
        )
        try:
            with translated():
                await redis.delete(f"{shard.key_prefix}{LEADER}")
        finally:
            await redis.aclose()


def _rescuer(installation: Installation, shard: Shard) -> ChunkWorker:
    settings = installation.settings
    assert settings.redis_url is not None
    options = WorkerOptions(
        settings.redis_url,
        settings.queue_name,
        shard.key_prefix,
        concurrency=4,
        message_lock=0.5,
        stall_interval=0.2,
    )
    return ChunkWorker(options, installation.adsum.dispatcher.take)
