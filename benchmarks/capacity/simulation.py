"""A discrete-event simulation: tasks take turns on cores, in processes of one thread, and in groups.

A task is a generator. It yields steps; a step gets a function that continues the task, and calls it once, later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from heapq import heappop, heappush
from itertools import count

Continue = Callable[[], None]
Step = Callable[[Continue], None]
Task = Generator[Step]


class Simulation:
    """The clock, in seconds, and what happens next."""

    def __init__(self) -> None:
        self.now = 0.0
        self._numbers = count()
        self._events: list[tuple[float, int, Continue]] = []

    def after(self, seconds: float, event: Continue) -> None:
        heappush(self._events, (self.now + seconds, next(self._numbers), event))

    def start(self, task: Iterator[Step]) -> None:
        def proceed() -> None:
            step = next(task, None)
            if step is not None:
                step(proceed)

        proceed()

    def pause(self, seconds: float) -> Step:
        return lambda proceed: self.after(seconds, proceed)

    def run(self) -> None:
        """Runs until nothing is left to happen."""
        while self._events:
            self.now, _, event = heappop(self._events)
            event()


class Cores:
    """The cores of a machine. Running work shares them equally, as the scheduler of Linux does; one piece of work uses
    one core at most.

    A virtual clock runs as fast as each piece of work proceeds, so that a piece ends at a time that is known at its
    start, however many begin and end meanwhile.
    """

    def __init__(self, simulation: Simulation, cores: int) -> None:
        self.cores = cores
        self.busy_seconds = 0.0
        self._simulation = simulation
        self._numbers = count()
        self._running: list[tuple[float, int, Continue]] = []
        self._virtual = 0.0
        self._updated = 0.0
        self._change = 0

    def work(self, seconds: float) -> Step:
        def begin(proceed: Continue) -> None:
            self._advance()
            heappush(self._running, (self._virtual + seconds, next(self._numbers), proceed))
            self._expect_next()

        return begin

    def _advance(self) -> None:
        passed = self._simulation.now - self._updated
        self._virtual += passed * self._speed()
        self.busy_seconds += passed * min(self.cores, len(self._running))
        self._updated = self._simulation.now

    def _speed(self) -> float:
        return min(1.0, self.cores / len(self._running)) if self._running else 1.0

    def _expect_next(self) -> None:
        self._change += 1
        if self._running:
            change = self._change
            wait = max(0.0, self._running[0][0] - self._virtual) / self._speed()
            self._simulation.after(wait, lambda: self._end_first(change))

    def _end_first(self, change: int) -> None:
        if change != self._change:
            return  # other work has begun or ended since; it has made an event of its own
        self._advance()
        _, _, proceed = heappop(self._running)
        self._expect_next()
        proceed()


class Process:
    """A process of one thread: its work is done one piece after another, in order."""

    def __init__(self, cores: Cores) -> None:
        self.busy_seconds = 0.0
        self._cores = cores
        self._waiting: deque[tuple[float, Continue]] = deque()
        self._is_busy = False

    def work(self, seconds: float) -> Step:
        def begin(proceed: Continue) -> None:
            self._waiting.append((seconds, proceed))
            if not self._is_busy:
                self._next()

        return begin

    def _next(self) -> None:
        self._is_busy = bool(self._waiting)
        if self._is_busy:
            seconds, proceed = self._waiting.popleft()
            self.busy_seconds += seconds
            self._cores.work(seconds)(lambda: self._end(proceed))

    def _end(self, proceed: Continue) -> None:
        self._next()
        proceed()


class Group:
    """As `adsum.platform.coalescer`: the tasks that arrive during a flush are the next flush. `flush` makes the task
    that serves a number of them.
    """

    def __init__(self, simulation: Simulation, at_most: int, flush: Callable[[int], Task]) -> None:
        self.flushes = self.served = 0
        self._simulation = simulation
        self._at_most = at_most
        self._flush = flush
        self._waiting: deque[Continue] = deque()
        self._is_flushing = False

    def join(self, proceed: Continue) -> None:
        """A step that ends with the flush that serves it."""
        self._waiting.append(proceed)
        if not self._is_flushing:
            self._is_flushing = True
            self._simulation.start(self._flush_all())

    def _flush_all(self) -> Task:
        while self._waiting:
            served = [self._waiting.popleft() for _ in range(min(self._at_most, len(self._waiting)))]
            self.flushes += 1
            self.served += len(served)
            yield from self._flush(len(served))
            for proceed in served:
                proceed()
        self._is_flushing = False
