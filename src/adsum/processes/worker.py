"""`adsum worker`: one process that takes chunks from the queue, or a supervisor of several such processes."""

from __future__ import annotations

import asyncio
import importlib.util
import math
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from adsum import servers, wiring
from adsum.batches.queue.chunks import Chunk
from adsum.batches.queue.worker import ChunkWorker
from adsum.batches.sweep import Chore
from adsum.events.webhooks.queue import CONCURRENCY as WEBHOOKS_AT_ONCE
from adsum.events.webhooks.queue import new_webhook_worker, queue_of_webhooks
from adsum.platform.embedded.supervisor import Program, Supervisor
from adsum.platform.errors import ConfigurationError
from adsum.platform.gc_tuning import freeze_startup_objects
from adsum.platform.redis.connection import refuse_wrong_server
from adsum.platform.redis.shards import Shard, Shards
from adsum.platform.redis.workers import QueueWorker, WorkerOptions
from adsum.platform.setting_files import PREFIX
from adsum.platform.settings import Settings
from adsum.platform.telemetry import logger
from adsum.platform.tracing.exporting import exporting, exporting_metrics
from adsum.processes.programs import DRAIN_S, StopSignals, show, warnings_as
from adsum.wiring import Adsum

if TYPE_CHECKING:
    from adsum.platform.tracing.otlp import Tracing

log = logger(__name__)


def run_worker(settings: Settings) -> None:
    """Processes chunks until SIGINT or SIGTERM, then finishes the chunks that it has taken."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_work(settings))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The event loop of uvloop, if it is installed."""
    return None if importlib.util.find_spec("uvloop") is None else importlib.import_module("uvloop").new_event_loop


async def _work(settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, stop.set)
    await refuse_wrong_server(servers.redis_url(settings), settings.key_prefix)
    async with (
        exporting("adsum-worker") as exports,
        wiring.open_adsum(settings, tracing=exports.tracing) as adsum,
        exporting_metrics(exports.metrics, adsum.metrics.families),
    ):
        await adsum.readiness.require_current_schema()
        served = served_shards(settings.worker_shards, adsum.shards)
        with adsum.metrics.served(settings.worker_metrics_host, settings.worker_metrics_port):
            log.info(
                "worker started", queue=settings.queue_name, concurrency=settings.worker_concurrency, shards=len(served)
            )
            workers = _chunk_workers(settings, adsum, served, exports.tracing)
            webhook_worker = _webhook_worker(settings, adsum)
            freeze_startup_objects()
            await asyncio.gather(
                *(worker.run(stop) for worker in workers),
                *(adsum.sweepers[each.number].run(stop, _chores(adsum) if each.number == 0 else ()) for each in served),
                webhook_worker.run(stop),
                adsum.dispatch.run(stop),
                adsum.scheduled_sync.run(stop),
            )
        log.info("worker stopped")


def _chunk_workers(
    settings: Settings, adsum: Adsum, shards: Sequence[Shard], tracing: Tracing | None
) -> list[ChunkWorker]:
    """A worker for each shard, which share the concurrency."""

    async def process(chunk: Chunk, stalls: int) -> None:
        with adsum.metrics.chunk_seconds.time(), adsum.delivery_pace.processing():
            await adsum.dispatcher.take(chunk, stalls)

    concurrency = math.ceil(settings.worker_concurrency / len(shards))
    options = [_options(settings, shard, settings.queue_name, concurrency) for shard in shards]
    return [ChunkWorker(each, process, tracing) for each in options]


def _webhook_worker(settings: Settings, adsum: Adsum) -> QueueWorker:
    queue = queue_of_webhooks(settings.queue_name)
    return new_webhook_worker(_options(settings, adsum.shards.home, queue, WEBHOOKS_AT_ONCE), adsum.deliveries)


def _chores(adsum: Adsum) -> list[Chore]:
    """For the leading sweeper of the first shard."""
    return [*adsum.chores, *adsum.event_chores, adsum.earlier_shards.empty_if_due]


def served_shards(numbers: str, shards: Shards) -> list[Shard]:
    """The shards that a worker takes chunks from. `numbers` is the setting; empty: all.

    Raises:
        ConfigurationError: one of them does not exist.
    """
    wanted = sorted({int(each) for each in numbers.split(",")}) if numbers else range(len(shards))
    if missing := [each for each in wanted if each >= len(shards)]:
        raise ConfigurationError(
            f"{PREFIX}WORKER_SHARDS: there is no shard {missing[0]}: their number is {len(shards)}, and the first is 0"
        )
    return [shards[each] for each in wanted]


def _options(settings: Settings, shard: Shard, queue_name: str, concurrency: int) -> WorkerOptions:
    return WorkerOptions(
        redis_url=servers.redis_url(settings),
        queue_name=queue_name,
        key_prefix=shard.key_prefix,
        concurrency=concurrency,
        message_lock=settings.message_lock,
        stall_interval=settings.stall_interval,
    )


def default_processes() -> int:
    """Half of the cores that this process may use, at least one. The database needs the others."""
    return max(1, len(os.sched_getaffinity(0)) // 2) if sys.platform == "linux" else 1


def run_workers(settings: Settings, processes: int) -> None:
    """Keeps worker processes running until SIGINT, SIGTERM or SIGHUP. A worker that ends is restarted.

    Raises:
        ConfigurationError: the database lacks migrations, or Redis is one server of a cluster; no worker was started.
        StorageOutage: the database does not answer.
    """
    asyncio.run(wiring.require_current_schema(settings))
    asyncio.run(refuse_wrong_server(servers.redis_url(settings), settings.key_prefix))
    with TemporaryDirectory(prefix="adsum-workers-") as folder:
        asyncio.run(_keep(_worker_programs(settings, processes), Path(folder), settings.log_format))


async def _keep(programs: list[Program], folder: Path, log_format: str) -> None:
    records = folder / "running"
    records.mkdir()
    supervisor = Supervisor(records, show, warnings_as(log_format, "worker"))
    signals = StopSignals(supervisor)
    signals.listen()
    try:
        for program in programs:
            supervisor.keep(program)
        await signals.stop_requested.wait()
    finally:
        await supervisor.stop([program.name for program in programs])


def _worker_programs(settings: Settings, processes: int) -> list[Program]:
    command = (sys.executable, "-m", "adsum", "worker", "--processes", "1")
    return [
        Program(f"worker {number}", command, _environment(settings, number), stop_timeout=DRAIN_S)
        for number in range(1, processes + 1)
    ]


def _environment(settings: Settings, number: int) -> dict[str, str]:
    """The environment of one worker. Each serves its own metrics, on consecutive ports."""
    own = {
        f"{PREFIX}WORKER_CONCURRENCY": str(settings.worker_concurrency),
        f"{PREFIX}WORKER_SHARDS": settings.worker_shards,
    }
    if settings.worker_metrics_port:
        own[f"{PREFIX}WORKER_METRICS_PORT"] = str(settings.worker_metrics_port + number - 1)
    return {**os.environ, **own}
