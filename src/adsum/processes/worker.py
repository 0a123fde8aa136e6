"""`adsum worker`: one process that takes chunks from the queue, until it is told to stop."""

from __future__ import annotations

import asyncio
import importlib.util
import signal
from collections.abc import Callable

from adsum import servers, wiring
from adsum.batches.queue.chunks import Chunk
from adsum.batches.queue.worker import ChunkWorker, WorkerOptions
from adsum.platform.gc_tuning import keep_what_is_there
from adsum.platform.settings import Settings
from adsum.platform.telemetry import logger

log = logger(__name__)


def run_worker(settings: Settings) -> None:
    """Works until SIGINT or SIGTERM; then finishes the chunks that it has, and takes no new ones."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_work(settings))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Of uvloop, where there is one, as uvicorn does for the API."""
    return None if importlib.util.find_spec("uvloop") is None else importlib.import_module("uvloop").new_event_loop


async def _work(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, stop.set)
    async with wiring.open_adsum(settings) as adsum:
        await adsum.readiness.require_current_schema()

        async def process(chunk: Chunk, stalls: int) -> None:
            with adsum.metrics.chunk_seconds.time():
                await adsum.deliveries.take(chunk, stalls)

        options = WorkerOptions(
            redis_url=servers.redis_url(settings),
            queue_name=settings.queue_name,
            key_prefix=settings.key_prefix,
            concurrency=settings.worker_concurrency,
            message_lock=settings.message_lock,
            stall_interval=settings.stall_interval,
        )
        with adsum.metrics.served(settings.host, settings.worker_metrics_port):
            log.info("worker started", queue=settings.queue_name, concurrency=settings.worker_concurrency)
            worker = ChunkWorker(options, process)
            keep_what_is_there()
            await asyncio.gather(worker.run(stop), adsum.sweeper.run(stop, adsum.chores))
        log.info("worker stopped")
