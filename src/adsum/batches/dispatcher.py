"""Deliveries: how a chunk that the queue hands out is done. Together with others, alone, or not any more."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from adsum.batches.process import AttendanceProcessor
from adsum.batches.queue.chunks import Chunk
from adsum.batches.queue.worker import NotNow
from adsum.platform.coalescer import Coalescer

# A chunk that stalled so often may be what kills its workers. One such at a time: whoever is at work when a worker dies
# has stalled once more, and at last is given up.
ALONE_AFTER = 2
GIVE_UP_AFTER = 5
# Rows that one transaction writes at most: others wait for it, on SQLite all of them.
ROWS_AT_MOST = 32_000
CHUNKS_AT_MOST = 64


class Deliveries:
    """Takes chunks for a processor.

    Args:
        processor: what ends their jobs.
        chunk_size: students in a chunk, at most.
        waiting_at_most: chunks that wait for a group; a worker takes no more than its concurrency.
    """

    def __init__(self, processor: AttendanceProcessor, *, chunk_size: int, waiting_at_most: int) -> None:
        self._processor = processor
        self._suspect = asyncio.Lock()
        self._groups: Coalescer[Chunk, bool] = Coalescer(
            self._process,
            at_most=max(1, min(CHUNKS_AT_MOST, ROWS_AT_MOST // chunk_size)),
            waiting_at_most=waiting_at_most,
        )

    async def take(self, chunk: Chunk, stalls: int) -> None:
        """Ends the jobs of a chunk that has stalled so often.

        Raises:
            NotNow: it may have killed its workers, and another such is at work.
        """
        if stalls >= GIVE_UP_AFTER:
            await self._processor.give_up(chunk)
        elif stalls >= ALONE_AFTER:
            await self._process_suspect(chunk)
        elif not await self._groups.submit(chunk):
            await self._processor.process([chunk])

    async def close(self) -> None:
        """Ends what is being processed. To be called when nothing is taken any more."""
        await self._groups.close()

    async def _process_suspect(self, chunk: Chunk) -> None:
        if self._suspect.locked():
            raise NotNow
        async with self._suspect:
            await self._processor.process([chunk])

    async def _process(self, chunks: Sequence[Chunk]) -> Sequence[bool]:
        return [await self._processor.process_together(chunks)] * len(chunks)
