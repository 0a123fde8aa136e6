"""The BullMQ worker: takes chunks from the queue, hands each to the processor, and drains when told to stop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from bullmq.custom_errors import DelayedError

from adsum.batches.queue.chunks import Chunk, NewerChunk, UnreadableChunk, chunk_of
from adsum.batches.queue.control import process_name
from adsum.batches.queue.fetching import FetchingWorker
from adsum.batches.queue.keys import bullmq_prefix
from adsum.platform.redis.connection import RedisClient, open_redis
from adsum.platform.redis.scripts import PipeliningRedis
from adsum.platform.telemetry import LogIcon, logger

# Past BullMQ's own limit a chunk would fail without the processor being asked: so it is out of reach.
NEVER = 1_000_000_000
# Seconds. An idle worker waits this long for a chunk; the socket has to be more patient than that.
IDLE_WAIT_S = 2
SOCKET_TIMEOUT_S = 10.0
RECONNECT_MS = 500
NEWER_CHUNK_PAUSE_MS = 1_000
NOT_NOW_PAUSE_MS = 100

log = logger(__name__)

ProcessChunk = Callable[[Chunk, int], Awaitable[None]]
"""Ends a chunk's jobs. The number is how often it has stalled: because its worker died, or was out of reach."""


class ProcessingFailed(Exception):
    """A defect: processing raised what is no outage. The sweeper enqueues the chunk again."""


class NotNow(Exception):
    """A chunk that is to be delivered again in a moment; until then it is nobody's, so it cannot stall."""


class Delivery(Protocol):
    """What Adsum uses of BullMQ's `Job`."""

    data: Any
    stalledCounter: int  # noqa: N815 - BullMQ's name

    async def moveToDelayed(self, timestamp: int, token: str) -> None: ...  # noqa: N802 - BullMQ's name


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Where the queue is, how many chunks are processed at once, and how many seconds things may take.

    BullMQ finds out that a worker died because its lock on a chunk, `message_lock`, is not renewed any more; another
    worker looks for such chunks every `stall_interval`.
    """

    redis_url: str
    queue_name: str
    key_prefix: str
    concurrency: int
    message_lock: float = 5.0
    stall_interval: float = 1.0
    drain_timeout: float = 30.0


class ChunkWorker:
    """One worker."""

    def __init__(self, options: WorkerOptions, process: ProcessChunk) -> None:
        self._options = options
        self._process = process

    async def run(self, stop: asyncio.Event) -> None:
        """Takes chunks until `stop` is set; then finishes what it has, and takes nothing new."""
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                await self._run_until(stopping)
        finally:
            stopping.cancel()

    async def _run_until(self, stopping: asyncio.Future[Any]) -> None:
        options = self._options
        # Two connections that BullMQ keeps for itself, and one for each pipeline that is under way: there are few, and
        # never more than chunks at work.
        redis = open_redis(
            options.redis_url,
            connections=options.concurrency + 4,
            socket_timeout=SOCKET_TIMEOUT_S,
            kind=PipeliningRedis,
        )
        worker = self._new_worker(redis)
        running = asyncio.ensure_future(worker.run())
        log.info("waiting for chunks", queue=self._options.queue_name, worker=worker.id)
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not stopping.done():
            # BullMQ's loop ends by itself only on an error: no Redis at the start, or a defect.
            log.error("the queue's loop ended, starting it again", mark=LogIcon.ERROR, error=_kind(running))
            await asyncio.wait({stopping}, timeout=RECONNECT_MS / 1000)
        await self._drain(worker)
        await asyncio.gather(running, return_exceptions=True)
        # BullMQ has closed it, but under its own look for stalled chunks, which opens a connection again if it was
        # on its way. That look is cancelled by now.
        await redis.aclose()

    async def _drain(self, worker: Any) -> None:
        # Paused, not closed: a worker of BullMQ that closes while its server is away tries again without any pause, and
        # on a unix socket nothing else of this process ever runs again. No timeout around it either: it would be
        # swallowed until the last chunk is done.
        pausing = asyncio.ensure_future(_finished(worker))
        drained, _ = await asyncio.wait({pausing}, timeout=self._options.drain_timeout)
        if not drained:
            # What is unfinished is delivered again to another worker, and written once all the same.
            log.error("the drain took too long, leaving the rest to others", mark=LogIcon.ERROR)
        await worker.close(force=True)
        await pausing

    def _new_worker(self, redis: RedisClient) -> Any:
        options = self._options
        process: Any = self._work  # BullMQ's annotation says Future; any awaitable will do
        settings: Any = {
            "connection": redis,
            "prefix": bullmq_prefix(options.key_prefix),
            "name": process_name(),  # by which `QueueControl.workers` finds it
            "autorun": False,
            "concurrency": options.concurrency,
            "drainDelay": IDLE_WAIT_S,
            "lockDuration": round(options.message_lock * 1000),
            "stalledInterval": round(options.stall_interval * 1000),
            "maxStalledCount": NEVER,
            "runRetryDelay": RECONNECT_MS,
            "removeOnComplete": True,
            "removeOnFail": True,
        }
        worker = FetchingWorker(options.queue_name, process, settings)
        worker.on("error", _tell_error)
        return worker

    async def _work(self, job: Delivery, token: str) -> None:
        """One delivery. It returns None always: BullMQ turns a value that is no plain JSON into a failure."""
        try:
            chunk = chunk_of(job.data)
        except UnreadableChunk:
            log.error("a message that is no chunk was dropped", mark=LogIcon.ERROR)
            return
        except NewerChunk:
            raise await _delayed(job, token, NEWER_CHUNK_PAUSE_MS) from None
        try:
            await self._process(chunk, job.stalledCounter)
        except NotNow:
            raise await _delayed(job, token, NOT_NOW_PAUSE_MS) from None
        except Exception as error:
            log.exception("a chunk could not be processed", mark=LogIcon.ERROR, chunk=chunk.message_id)
            # BullMQ publishes the text of what it is given: that of the real error may quote a row.
            raise ProcessingFailed(type(error).__name__) from None


async def _delayed(job: Delivery, token: str, pause_ms: int) -> DelayedError:
    await job.moveToDelayed(round(time.time() * 1000) + pause_ms, token)
    return DelayedError()


async def _finished(worker: Any) -> None:
    """Takes nothing new and ends what it has: also a chunk that was on its way when the worker was told to stop.

    What is under way is the fetching of such a chunk, too, and then its processing. That has begun when the waiting for
    its fetching ends, as BullMQ's loop is woken by the same fetching, and fewer steps on: so the task around the wait.
    BullMQ's own waiting for it is not used: once its task is cancelled, as a loop that ends cancels all of them, it
    turns in a circle that nothing interrupts, and the process never ends.
    """
    await worker.pause(do_not_wait_active=True)
    while under_way := {task for task in worker.processing if not task.done()}:
        await asyncio.ensure_future(asyncio.wait(under_way))


def _tell_error(error: BaseException, *_: object) -> None:
    """Must not raise: an error listener that does kills BullMQ's check for stalled chunks, silently."""
    log.error("the queue's worker met an error", mark=LogIcon.ERROR, error=type(error).__name__)


def _kind(task: asyncio.Future[Any]) -> str:
    error = task.exception() if task.done() and not task.cancelled() else None
    return type(error).__name__ if error is not None else "none"
