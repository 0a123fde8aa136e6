"""Starts the programs of `up`, restarts a program that ends, and stops all of them in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from adsum.platform.cancellation import end
from adsum.platform.embedded.orphans import die_with_this_process, record_process, remove_record
from adsum.platform.errors import Unavailable

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
STEADY_S = 30.0
EXITS_BEFORE_GIVING_UP = 3
POLL_S = 0.03
_TAIL_BYTES = 4096
_CHUNK_BYTES = 65536
_LOG_BYTES = 1024 * 1024
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")

Show = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Program:
    """A command with its environment.

    Attributes:
        stop_timeout: seconds from SIGTERM to SIGKILL.
        log: the file that receives the output; None: the output is shown.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    stop_timeout: float = 20.0
    log: Path | None = None


class ProgramFailed(Unavailable):
    """A program ended with an error. `status` is its exit status, `last_lines` the end of its output."""

    def __init__(self, headline: str, status: int, last_lines: list[str]) -> None:
        super().__init__("\n".join([f"{headline}:" if last_lines else headline, *(f"  {line}" for line in last_lines)]))
        self.status = status
        self.last_lines = last_lines


class Child:
    """A running process in a session of its own. Ctrl-C reaches only `up`, which stops the others in order."""

    def __init__(self, program: Program, process: Process, show: Show) -> None:
        self.program = program
        self._process = process
        self._tail = b""
        self._pumping = asyncio.create_task(self._pump(show))

    @classmethod
    async def start(cls, program: Program, show: Show) -> Child:
        """Starts the program. `show` receives its output in whole lines."""
        with contextlib.ExitStack() as stack:
            output = PIPE if program.log is None else stack.enter_context(_open_log(program.log))
            process = await asyncio.create_subprocess_exec(
                *die_with_this_process(program.command),
                env=program.environment,
                stdin=DEVNULL,
                stdout=output,
                stderr=STDOUT,
                start_new_session=True,
            )
        return cls(program, process, show)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ended(self) -> int:
        """Waits for the end. Returns the exit status, or minus the number of the signal that killed the process."""
        status = await self._process.wait()
        await asyncio.wait([self._pumping], timeout=1)  # a grandchild may hold the pipe open
        return status

    def last_lines(self, count: int = 15) -> list[str]:
        """The last lines of the output, without colours."""
        tail = self._tail if self.program.log is None else self.program.log.read_bytes()[-_TAIL_BYTES:]
        return _COLOURS.sub("", tail.decode(errors="replace")).splitlines()[-count:]

    async def stop(self) -> None:
        """Sends SIGTERM and, after the timeout of the program, SIGKILL to its whole session."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self.ended(), self.program.stop_timeout)
        except TimeoutError:
            self.kill()
            await self.ended()

    def kill(self) -> None:
        """Kills the process and everything that it started."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    async def _pump(self, show: Show) -> None:
        stream, pending = self._process.stdout, b""
        while stream is not None and (chunk := await stream.read(_CHUNK_BYTES)):
            self._tail = (self._tail + chunk)[-_TAIL_BYTES:]
            lines, newline, pending = (pending + chunk).rpartition(b"\n")
            if newline:
                show((lines + newline).decode(errors="replace"))
        if pending:
            show(pending.decode(errors="replace") + "\n")


class Keeper:
    """Keeps one program running. After each exit it waits longer before the restart."""

    def __init__(self, program: Program, records: Path, show: Show, warn: Show) -> None:
        self.program = program
        self.exits = 0
        self._last_status = 0
        self._records = records
        self._show = show
        self._warn = warn
        self._child: Child | None = None
        self._keeping = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Stops the program in order, without a restart."""
        await end([self._keeping])
        if not self._keeping.cancelled():
            self._keeping.result()
        if self._child is not None:
            await self._child.stop()
        remove_record(self._records, self.program.name)

    def kill(self) -> None:
        """Kills the program, without a restart."""
        self._keeping.cancel()
        if self._child is not None:
            self._child.kill()

    def raise_if_hopeless(self) -> None:
        """Raises ProgramFailed after three exits, or the error that prevents the start."""
        if self._keeping.done():
            self._keeping.result()
        if self.exits >= EXITS_BEFORE_GIVING_UP and self._child is not None:
            raise ProgramFailed(f"{self.program.name} cannot start", self._last_status, self._child.last_lines())

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child else None

    async def _keep(self) -> None:
        clock, pause = asyncio.get_running_loop().time, FIRST_PAUSE_S
        while True:
            started = clock()
            self._child = await Child.start(self.program, self._show)
            record_process(self._records, self.program.name, self._child.pid)
            self._last_status = await self._child.ended()
            self.exits += 1
            pause = FIRST_PAUSE_S if clock() - started > STEADY_S else pause
            self._warn(f"{self.program.name} {_how_it_ended(self._last_status)}; it is started again in {pause:g} s")
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_S)


class Supervisor:
    """All programs of `up`. `show` receives their output, `warn` one line for each exit that nobody requested."""

    def __init__(self, records: Path, show: Show, warn: Show) -> None:
        self._records = records
        self._show = show
        self._warn = warn
        self._keepers: dict[str, Keeper] = {}

    def keep(self, program: Program) -> Keeper:
        """Starts the program, and restarts it after each exit until `stop`."""
        keeper = self._keepers[program.name] = Keeper(program, self._records, self._show, self._warn)
        return keeper

    async def until(self, ready: Callable[[], Awaitable[bool]], seconds: float, what: str) -> None:
        """Polls `ready` until it returns True.

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
        """Runs a program to its end. Its output is not shown. Raises ProgramFailed if its status is not 0."""
        child = await Child.start(program, lambda _: None)
        try:
            if status := await child.ended():
                raise ProgramFailed(f"{program.name} {_how_it_ended(status)}", status, child.last_lines())
        finally:
            child.kill()
            await child.ended()

    async def stop(self, names: Iterable[str]) -> None:
        """Stops these programs at the same time, each within its timeout. Unknown names are ignored."""
        await asyncio.gather(*(self._keepers[name].stop() for name in names if name in self._keepers))

    def kill(self) -> None:
        """Kills all programs."""
        for keeper in self._keepers.values():
            keeper.kill()


def _open_log(path: Path) -> BinaryIO:
    if path.exists() and path.stat().st_size > _LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")


def _how_it_ended(status: int) -> str:
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
