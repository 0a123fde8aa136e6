"""The BullMQ worker: takes messages from a queue, passes each to a function, and drains on shutdown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from bullmq import Worker
from bullmq.custom_errors import DelayedError
from typing_extensions import override

from adsum.platform.cancellation import close
from adsum.platform.redis.cluster import NoOwner
from adsum.platform.redis.connection import RedisClient, open_redis
from adsum.platform.redis.queues import bullmq_prefix, process_name
from adsum.platform.redis.scripts import PipeliningRedis
from adsum.platform.redis.sentinel import NoPrimary
from adsum.platform.telemetry import LogIcon, logger

# Beyond BullMQ's limit of stalls a chunk fails without a call of the processor: so the limit is out of reach.
NEVER = 1_000_000_000
# Seconds that an idle worker waits for a chunk, and the socket timeout, which has to be longer.
IDLE_WAIT_S = 2
SOCKET_TIMEOUT_S = 10.0
RECONNECT_MS = 500

log = logger(__name__)


class QueueMessage(Protocol):
    """The members of BullMQ's `Job` that Adsum uses."""

    data: Any
    opts: Any
    stalledCounter: int  # noqa: N815 - BullMQ's name

    async def moveToDelayed(self, timestamp: int, token: str) -> None: ...  # noqa: N802 - BullMQ's name


class FetchingWorker(Worker):
    """Fetches the next message with the script that completes the last one, as BullMQ's worker for Node does.

    A free slot has no message to complete, and needs a script of its own. While the queue is empty, one slot runs it at
    a time, and twice as many after each message found. BullMQ's worker runs it in each free slot, and after each
    message. With a concurrency of 64, one message for an idle worker caused some 250 more scripts on the server: a
    third of the load of a busy worker, and a delay for a single class.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._changed = asyncio.Condition()
        self._fetching = 0
        self._max_fetching = 1
        self._next: dict[str, Any] = {}
        backend: Any = self.backend
        self._complete = backend.moveToCompleted
        backend.moveToCompleted = self._complete_and_fetch

    @override
    async def processJob(self, job: Any, token: str) -> None:
        """Processes a message, and those that are fetched with each completion.

        They are processed in one task, which a stopping worker waits for. So a worker that stops in time leaves no
        fetched message behind.
        """
        following = job
        while following is not None:
            await super().processJob(following, token)
            following = self._next.pop(token, None)

    async def _complete_and_fetch(self, job: Any, value: Any, remove: Any, token: str, **_: bool) -> Any:
        """Replaces the function with which `processJob` completes a message and fetches none. The next message has the
        same token.
        """
        fetches = not self._is_ending
        completed = await self._complete(job, value, remove, token, fetches)
        if fetches:
            data, message_id, limit, delay = completed["result"]
            self._next[token] = await self.nextJobFromJobData(data, message_id, limit or 0, delay or 0, token)
            if data is None:
                self._max_fetching = 1
        return completed

    @override
    async def getNextJob(self, token: str) -> Any:
        """BullMQ calls this for each free slot; None means that there is no message."""
        async with self._changed:
            # No call waits forever: a call that fetches wakes others whatever it finds, and so does a call that is
            # woken and finds that the worker is ending.
            await self._changed.wait_for(lambda: self._is_ending or self._fetching < self._max_fetching)
            if self._is_ending:
                self._changed.notify_all()
                return None
            self._fetching += 1
        found: Any = None
        try:
            found = await super().getNextJob(token)
        finally:
            await self._fetched(found_message=found is not None)
        return found

    async def _fetched(self, *, found_message: bool) -> None:
        self._fetching -= 1
        places = self.opts.get("concurrency") or 1
        self._max_fetching = min(2 * self._max_fetching, places) if found_message else 1
        async with self._changed:
            self._changed.notify(places if self._is_ending else max(0, self._max_fetching - self._fetching))

    @property
    def _is_ending(self) -> bool:
        return bool(self.paused or self.closing)


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """Connection, concurrency and timeouts (in seconds) of a worker.

    BullMQ notices the death of a worker because the lock on its chunk, which lives `message_lock`, is not renewed.
    Other workers look for such chunks every `stall_interval`. The settings decide both; the defaults are for tests.
    """

    redis_url: str
    queue_name: str
    key_prefix: str
    concurrency: int
    message_lock: float = 5.0
    stall_interval: float = 1.0
    drain_timeout: float = 30.0


Handle = Callable[[QueueMessage, str], Awaitable[None]]
"""Handles one delivery of a message, with its token. It returns nothing: BullMQ turns a value that is not plain JSON
into a failure."""


class QueueWorker:
    """A worker that passes messages to `handle`. It logs `started` when it waits for the first one."""

    def __init__(self, options: WorkerOptions, handle: Handle, started: str) -> None:
        self._options = options
        self._handle = handle
        self._started = started

    async def run(self, stop: asyncio.Event) -> None:
        """Takes chunks until `stop` is set; then finishes those that it has."""
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not stop.is_set():
                await self._run_until(stopping)
        finally:
            stopping.cancel()

    async def _run_until(self, stopping: asyncio.Future[Any]) -> None:
        options = self._options
        # Two connections that BullMQ keeps, and one per pipeline in flight: few, and never more than chunks at work.
        redis = open_redis(
            options.redis_url,
            connections=options.concurrency + 4,
            socket_timeout=SOCKET_TIMEOUT_S,
            kind=PipeliningRedis,
            key_prefix=options.key_prefix,
        )
        worker = self._new_worker(redis)
        running = asyncio.ensure_future(worker.run())
        log.info(self._started, queue=self._options.queue_name, worker=worker.id)
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not stopping.done():
            # BullMQ's loop ends early only on an error: no Redis at the start, or a defect.
            log.error("queue loop ended, restarting it", mark=LogIcon.ERROR, error=_kind(running))
            await asyncio.wait({stopping}, timeout=RECONNECT_MS / 1000)
        await self._drain(worker)
        await asyncio.gather(running, return_exceptions=True)
        # BullMQ has closed the client, but its check for stalled chunks, if it was running, has opened a connection
        # again. That check is cancelled by now.
        await close(redis)

    async def _drain(self, worker: Any) -> None:
        # Paused, not closed: a BullMQ worker that closes while its server is unavailable retries without a pause, and
        # on a unix socket that blocks the event loop forever. No timeout around it: BullMQ swallows the cancellation
        # until the last chunk is done.
        pausing = asyncio.ensure_future(_finished(worker))
        drained, _ = await asyncio.wait({pausing}, timeout=self._options.drain_timeout)
        if not drained:
            # Unfinished chunks are delivered again to another worker; their jobs are recorded once all the same.
            log.error("drain timed out, leaving unfinished chunks to other workers", mark=LogIcon.ERROR)
        await worker.close(force=True)
        await pausing

    def _new_worker(self, redis: RedisClient) -> Any:
        options = self._options
        process: Any = self._handle  # annotated as a Future, but any awaitable works
        settings: Any = {
            "connection": redis,
            "prefix": bullmq_prefix(options.key_prefix),
            "name": process_name(),  # finds the worker among the clients of the server
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
        worker.on("error", _log_error)
        return worker


async def delayed(job: QueueMessage, token: str, pause_ms: int) -> DelayedError:
    """Delays a message by a pause. Returns the error that its handler has to raise."""
    await job.moveToDelayed(round(time.time() * 1000) + pause_ms, token)
    return DelayedError()


async def _finished(worker: Any) -> None:
    """Pauses a worker and waits for its chunks, including one that was being fetched when the worker was stopped.

    `worker.processing` contains the task that fetches such a chunk, and then the task that processes it. The second
    task has begun when the wait for the first ends: BullMQ's loop is woken by the same fetch, and needs fewer steps.
    That is why the wait is a task of its own. BullMQ's own wait is not used: once its task is cancelled, as an ending
    event loop does, it loops without yielding, and the process never ends.
    """
    await worker.pause(do_not_wait_active=True)
    while under_way := {task for task in worker.processing if not task.done()}:
        await asyncio.ensure_future(asyncio.wait(under_way))


def _log_error(error: BaseException, *_: object) -> None:
    """Must not raise: an error in a listener silently ends BullMQ's check for stalled chunks."""
    log.error("queue worker error", mark=LogIcon.ERROR, error=_name(error))


def _kind(task: asyncio.Future[Any]) -> str:
    error = task.exception() if task.done() and not task.cancelled() else None
    return "none" if error is None else _name(error)


def _name(error: BaseException) -> str:
    """The class of an error, whose text may quote a message. The text of Adsum's own error names servers."""
    return str(error) if isinstance(error, NoPrimary | NoOwner) else type(error).__name__
