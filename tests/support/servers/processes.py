"""Starts servers for the tests, and waits until they answer."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Coroutine, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from adsum.platform.embedded.orphans import die_with_this_process, start_time

START_S = 30
STOP_S = 10
SHORT = 10  # characters, such as `/dev/shm`; the path of a socket has a hundred at most


@contextlib.contextmanager
def short_folder() -> Generator[Path]:
    """Yields a folder whose path is short enough for unix sockets and which other users may traverse."""
    usual = tempfile.gettempdir()
    place = usual if len(usual) <= SHORT else "/tmp"
    with tempfile.TemporaryDirectory(prefix="adsum-", dir=place, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@contextlib.contextmanager
def running(
    command: Sequence[str], log: Path, answers: Callable[[], bool], *, stop_signal: signal.Signals = signal.SIGTERM
) -> Generator[subprocess.Popen[bytes]]:
    """Runs a server until the block ends. Yields when it answers. The server cannot outlive this process."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            die_with_this_process(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_until(lambda: answers() or _raise_if_ended(process, log), START_S, f"{command[0]} answers")
        yield process
    finally:
        stop(process, stop_signal)


def stop(
    process: subprocess.Popen[bytes] | subprocess.Popen[str], stop_signal: signal.Signals = signal.SIGTERM
) -> None:
    """Terminates a server; kills it after a timeout."""
    process.send_signal(stop_signal)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def is_alive(pid: int) -> bool:
    """Returns whether the process exists and has not ended."""
    return start_time(pid) != ""


def children_of(pid: int) -> list[int]:
    """Returns the child processes of a process; none if it has ended. Linux only."""
    try:
        return [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
    except OSError:
        return []


@contextlib.contextmanager
def frozen(pid: int) -> Generator[None]:
    """Stops a process with its child processes until the block ends. Linux only."""
    os.kill(pid, signal.SIGSTOP)  # first, so that it starts no other
    pids = [pid, *children_of(pid)]
    try:
        for each in pids:
            os.kill(each, signal.SIGSTOP)
        yield
    finally:
        for each in reversed(pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGCONT)


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Polls until the condition holds. `what` describes the condition in the error after a timeout."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {what}")
        time.sleep(0.01)


async def eventually(condition: Callable[[], object], seconds: float = 10) -> None:
    """Polls until the condition holds, without blocking the event loop."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - conditions of other processes have no event
            await asyncio.sleep(0.01)


def free_ports(count: int) -> list[int]:
    """Returns ports of 127.0.0.1 that no program uses now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def run_apart(work: Coroutine[Any, Any, object]) -> None:
    """Runs a coroutine in a thread with its own event loop."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        thread.submit(asyncio.run, work).result()


def _raise_if_ended(process: subprocess.Popen[bytes], log: Path) -> bool:
    if process.poll() is not None:
        raise RuntimeError(f"the server ended with status {process.returncode}:\n{log.read_text()[-2000:]}")
    return False
