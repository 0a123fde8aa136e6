"""One process of a program that `up` runs, with the last lines of what it said."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from adsum.embedded.orphans import bound_to_this_process

_TAIL_BYTES = 4096
_CHUNK_BYTES = 65536
_LOG_BYTES = 1024 * 1024

Show = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Program:
    """What to run, and how long it may take to stop in order, in seconds. Output goes to `log`, or is shown."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    patience: float = 20.0
    log: Path | None = None


class Child:
    """A running process, in a session of its own: Ctrl-C reaches only `up`, which stops things in order."""

    def __init__(self, program: Program, process: Process, show: Show) -> None:
        self.program = program
        self._process = process
        self._tail = b""
        self._pumping = asyncio.create_task(self._pump(show))

    @classmethod
    async def start(cls, program: Program, show: Show) -> Child:
        """Starts the program; whatever it writes is given to `show`, in whole lines."""
        with contextlib.ExitStack() as stack:
            output = PIPE if program.log is None else stack.enter_context(_open_log(program.log))
            process = await asyncio.create_subprocess_exec(
                *bound_to_this_process(program.command),
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
        """Waits for the end, and gives the exit status; minus the signal's number if one killed it."""
        status = await self._process.wait()
        await asyncio.wait([self._pumping], timeout=1)  # a grandchild may hold the pipe open
        return status

    def last_lines(self, count: int = 15) -> list[str]:
        """The end of what the process wrote."""
        tail = self._tail if self.program.log is None else self.program.log.read_bytes()[-_TAIL_BYTES:]
        return tail.decode(errors="replace").splitlines()[-count:]

    async def stop(self) -> None:
        """SIGTERM, patience, then SIGKILL to all of its session."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            await asyncio.wait_for(self.ended(), self.program.patience)
        except TimeoutError:
            self.kill()
            await self.ended()

    def kill(self) -> None:
        """Ends the process and all that it started, at once."""
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


def _open_log(path: Path) -> BinaryIO:
    if path.exists() and path.stat().st_size > _LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")
