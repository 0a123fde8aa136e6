"""The pace of deliveries beside attendance: both share the event loop and the CPU of a worker."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Generator
from contextlib import contextmanager, suppress

# Between two deliveries of a worker that is processing attendance: 20 a second, some 1 % of its time.
BUSY_PAUSE_S = 0.05
# A worker under load is without a chunk for some milliseconds again and again, until it has fetched the next ones.
REST_S = 0.01


class Pace:
    """Lets deliveries follow attendance: they go at full speed between chunks, and one by one beside them.

    A delivery costs as much as the processing of 30 students. A class waits for its result, a receiver does not.

    Args:
        busy_pause: seconds between two deliveries while chunks are being processed, so that these go on under any load.
        rest: seconds without a chunk after which none are being processed.
    """

    def __init__(self, busy_pause: float = BUSY_PAUSE_S, rest: float = REST_S) -> None:
        self._busy_pause = busy_pause
        self._rest = rest
        self._resting: asyncio.TimerHandle | None = None
        self._chunks = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._turn = asyncio.Lock()
        self._last = -math.inf  # a clock of the loop may begin with the machine

    @property
    def is_busy(self) -> bool:
        """Whether chunks are being processed, or were a moment ago."""
        return not self._idle.is_set()

    @contextmanager
    def processing(self) -> Generator[None]:
        """Encloses the processing of a chunk."""
        self._chunks += 1
        self._idle.clear()
        if self._resting is not None:
            self._resting.cancel()
        try:
            yield
        finally:
            self._chunks -= 1
            if not self._chunks:
                self._resting = asyncio.get_running_loop().call_later(self._rest, self._idle.set)

    async def turn(self) -> None:
        """Returns when the next delivery may begin. Deliveries to several receivers take turns."""
        async with self._turn:
            if self.is_busy:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(self._last + self._busy_pause):
                        await self._idle.wait()
            self._last = asyncio.get_running_loop().time()
