"""The worker of the queue: passes each chunk to the processor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from adsum.batches.queue.chunks import TRACE, Chunk, NewerChunk, UnreadableChunk, chunk_of, span_attributes
from adsum.platform.redis.workers import QueueMessage, QueueWorker, WorkerOptions, delayed
from adsum.platform.telemetry import LogIcon, logger
from adsum.platform.tracing.spans import UNTRACED, TracedStep, continued

if TYPE_CHECKING:
    from adsum.platform.tracing.otlp import Tracing

NEWER_CHUNK_PAUSE_MS = 1_000
NOT_NOW_PAUSE_MS = 100

log = logger(__name__)

ProcessChunk = Callable[[Chunk, int], Awaitable[None]]
"""Processes a chunk. The number counts its stalls: its worker died, or lost the connection."""


class ProcessingFailed(Exception):
    """Processing raised an error that is not an outage: a defect. The sweeper enqueues the chunk again."""


class NotNow(Exception):
    """The chunk is delivered again in a moment. Until then no worker has it, so that it cannot stall."""


class ChunkWorker(QueueWorker):
    """A worker that passes chunks to `process`."""

    def __init__(self, options: WorkerOptions, process: ProcessChunk, tracing: Tracing | None = None) -> None:
        super().__init__(options, self._work, "waiting for chunks")
        self._queue_name = options.queue_name
        self._process = process
        self._tracing = tracing

    async def _work(self, job: QueueMessage, token: str) -> None:
        """Processes one delivery."""
        try:
            chunk = chunk_of(job.data)
        except UnreadableChunk:
            log.error("unreadable message dropped", mark=LogIcon.ERROR)
            return
        except NewerChunk:
            raise await delayed(job, token, NEWER_CHUNK_PAUSE_MS) from None
        try:
            with UNTRACED if self._tracing is None else self._continued(self._tracing, chunk, job) as spans:
                is_processed = await self._process_now(chunk, job.stalledCounter, spans)
        except Exception as error:
            log.exception("chunk failed", mark=LogIcon.ERROR, chunk=chunk.message_id)
            # BullMQ publishes the text of the error, and the text of the real error may contain a row.
            raise ProcessingFailed(type(error).__name__) from None
        if not is_processed:
            raise await delayed(job, token, NOT_NOW_PAUSE_MS)

    async def _process_now(self, chunk: Chunk, stalls: int, spans: TracedStep) -> bool:
        """Returns False if the chunk has to be delivered again. Its span then shows no error."""
        try:
            await self._process(chunk, stalls)
        except NotNow:
            spans.note({"adsum.postponed": True})
            return False
        return True

    def _continued(self, tracing: Tracing, chunk: Chunk, job: QueueMessage) -> TracedStep:
        """The step of a delivery in the trace of its message. The id of a message may name a student."""
        attributes = span_attributes(self._queue_name, "process") | {
            "adsum.batch_id": chunk.batch.id,
            "adsum.run_id": chunk.run_id,
            "adsum.chunk": chunk.number,
            "adsum.stalls": job.stalledCounter,
        }
        name, context = f"process {self._queue_name}", job.opts.get(TRACE)
        return continued(tracing, context, name, attributes, kind="consumer", run_id=chunk.run_id)
