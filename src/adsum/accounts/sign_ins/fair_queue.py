"""A bounded queue for expensive work, which serves its sources in turn."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from adsum.platform.errors import Overloaded

_Waiting = asyncio.Future[None]


class FairQueue:
    """Runs a few callers at once. The others wait in one line per source, and the lines are served in turn.

    So the callers of one source delay those of another by one turn, however many they are. If the queue is full, the
    newest caller of the longest line is refused.

    Args:
        slots: callers that run at once.
        max_waiting: callers that wait, of all sources.
    """

    def __init__(self, slots: int, max_waiting: int) -> None:
        self._free = slots
        self._max_waiting = max_waiting
        # The line that is served next comes first.
        self._lines: OrderedDict[str, deque[_Waiting]] = OrderedDict()

    @asynccontextmanager
    async def turn(self, source: str, *, has_place: bool = False) -> AsyncGenerator[None]:
        """Waits for a slot, and holds it during the block.

        Args:
            source: whose line the caller joins.
            has_place: if the queue is full, the newest caller of the longest other line is refused instead of this one,
                also if all lines are equally long.

        Raises:
            Overloaded: the queue is full.
        """
        if self._free:
            self._free -= 1
        else:
            await self._wait(source, has_place=has_place)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, source: str, *, has_place: bool) -> None:
        self._make_room(source, has_place=has_place)
        waiting: _Waiting = asyncio.get_running_loop().create_future()
        self._lines.setdefault(source, deque()).append(waiting)
        try:
            await waiting
        except asyncio.CancelledError:
            if waiting.cancelled():
                self._remove_cancelled()
            elif waiting.exception() is None:  # this caller has received the slot, and has not run yet
                self._pass_on()
            raise

    def _make_room(self, source: str, *, has_place: bool) -> None:
        self._remove_cancelled()
        if sum(map(len, self._lines.values())) < self._max_waiting:
            return
        longest = max(self._lines, key=lambda each: len(self._lines[each]))
        excess = len(self._lines[longest]) - len(self._lines.get(source, ()))
        if excess <= (0 if has_place else 1):
            raise _overloaded()
        self._lines[longest].pop().set_exception(_overloaded())

    def _pass_on(self) -> None:
        """Gives the slot to the first caller of the next line, and moves this line to the end."""
        self._remove_cancelled()
        if not self._lines:
            self._free += 1
            return
        source, line = next(iter(self._lines.items()))
        line.popleft().set_result(None)
        if line:
            self._lines.move_to_end(source)
        else:
            del self._lines[source]

    def _remove_cancelled(self) -> None:
        """Removes the callers that have given up. They may not have run since."""
        lines = ((source, deque(each for each in line if not each.done())) for source, line in self._lines.items())
        self._lines = OrderedDict((source, line) for source, line in lines if line)


def _overloaded() -> Overloaded:
    return Overloaded("too many people are signing in: try again in a few seconds")
