"""Keeps the processes of `up` alive, and ends them in order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from adsum.embedded.child import Child, Program, Show
from adsum.embedded.orphans import forget, record
from adsum.platform.errors import Unavailable

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
STEADY_S = 30.0
EXITS_BEFORE_GIVING_UP = 3
POLL_S = 0.03


class Keeper:
    """Keeps one program running: one that ends is started again, after a pause that grows while it keeps ending."""

    def __init__(self, program: Program, records: Path, show: Show, warn: Show) -> None:
        self.program = program
        self.exits = 0
        self._records = records
        self._show = show
        self._warn = warn
        self._child: Child | None = None
        self._keeping = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Ends the program in order, for good."""
        await self._let_go()
        if self._child is not None:
            await self._child.stop()
        forget(self._records, self.program.name)

    def kill(self) -> None:
        """Ends the program at once, for good."""
        self._keeping.cancel()
        if self._child is not None:
            self._child.kill()

    def raise_if_hopeless(self) -> None:
        """Raises `Unavailable` with the program's last lines if it ended three times, or what kept it from starting."""
        if self._keeping.done():
            self._keeping.result()
        if self.exits >= EXITS_BEFORE_GIVING_UP and self._child is not None:
            raise Unavailable(_story(f"{self.program.name} cannot start", self._child.last_lines()))

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    async def _keep(self) -> None:
        clock, pause = asyncio.get_running_loop().time, FIRST_PAUSE_S
        while True:
            started = clock()
            self._child = await Child.start(self.program, self._show)
            record(self._records, self.program.name, self._child.pid)
            status = await self._child.ended()
            self.exits += 1
            pause = FIRST_PAUSE_S if clock() - started > STEADY_S else pause
            self._warn(f"{self.program.name} {_how_it_ended(status)}; it is started again in {pause:g} s")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)

    async def _let_go(self) -> None:
        self._keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._keeping


class Supervisor:
    """All that `up` runs. `show` gets the output of the programs, `warn` one line for each that ended by itself."""

    def __init__(self, records: Path, show: Show, warn: Show) -> None:
        self._records = records
        self._show = show
        self._warn = warn
        self._keepers: dict[str, Keeper] = {}

    def keep(self, program: Program) -> Keeper:
        """Starts the program, and starts it again whenever it ends, until `stop`."""
        keeper = self._keepers[program.name] = Keeper(program, self._records, self._show, self._warn)
        return keeper

    async def until(self, ready: Callable[[], Awaitable[bool]], seconds: float, what: str) -> None:
        """Waits for `ready`, asked again and again.

        Raises:
            Unavailable: a program ended three times meanwhile, with its last lines; or the time is over.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while not await ready():
            for keeper in self._keepers.values():
                keeper.raise_if_hopeless()
            if asyncio.get_running_loop().time() > deadline:
                raise Unavailable(f"{what} did not answer within {seconds:g} s")
            await asyncio.sleep(POLL_S)

    async def run(self, program: Program) -> None:
        """Runs a program to its end, showing nothing of what it writes.

        Raises:
            Unavailable: it failed, with its last lines.
        """
        child = await Child.start(program, lambda _: None)
        try:
            if status := await child.ended():
                raise Unavailable(_story(f"{program.name} {_how_it_ended(status)}", child.last_lines()))
        finally:
            child.kill()
            await child.ended()

    async def stop(self, names: Iterable[str]) -> None:
        """Ends these programs in order, all at the same time, each within its patience; unknown names are passed by."""
        await asyncio.gather(*(self._keepers[name].stop() for name in names if name in self._keepers))

    def kill(self) -> None:
        """Ends everything at once."""
        for keeper in self._keepers.values():
            keeper.kill()


def _how_it_ended(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


def _story(headline: str, lines: list[str]) -> str:
    return "\n".join([f"{headline}:" if lines else headline, *(f"  {line}" for line in lines)])
