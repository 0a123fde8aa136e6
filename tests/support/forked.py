"""`adsum` commands as real processes, forked from a process that has imported their modules.

A new interpreter spends seconds of CPU time on imports, and the tests start hundreds of commands.
`tests/system/test_root_command.py` and the tests that start servers test the start of `adsum` itself.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import forkserver, get_context
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from adsum.platform.embedded.die_with_parent import PR_SET_PDEATHSIG
from tests.support.servers.processes import wait_until

TIMEOUT_S = 60
STOP_S = 10
NO_INPUT = Path(os.devnull)


def run_forked(
    arguments: Sequence[str], environment: Mapping[str, str], stdin: str
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end, as `subprocess.run` runs `python -m adsum`, with exactly this environment."""
    with TemporaryDirectory() as name:
        given, out, err = (Path(name, stream) for stream in ("in", "out", "err"))
        given.write_text(stdin)
        process = _fork(arguments, environment, (given, out, err))
        process.join(TIMEOUT_S)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(list(arguments), TIMEOUT_S)
        return subprocess.CompletedProcess(list(arguments), process.exitcode, out.read_text(), err.read_text())


@dataclass(frozen=True, slots=True)
class Forked:
    """A started command. `log` contains all its output."""

    process: ForkServerProcess
    log: Path

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process.exitcode is None

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self, seconds: float) -> int:
        """Waits for the end of the command. Returns its exit status, negative after a signal."""
        self.process.join(seconds)
        if self.process.exitcode is None:
            raise TimeoutError(f"not ended within {seconds} s: {self.output()[-2000:]}")
        return self.process.exitcode

    def wait_for_output(self, text: str) -> None:
        """Waits until the log begins with this text. Raises AssertionError: it does not."""
        wait_until(lambda: not self.is_running or len(self.output()) >= len(text), TIMEOUT_S, text)
        assert self.output()[: len(text)] == text, self.output()

    def output(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def stop(self) -> None:
        """Terminates the command; kills it after a timeout."""
        if self.is_running:
            self.send_signal(signal.SIGTERM)
            self.process.join(STOP_S)
        if self.is_running:
            self.process.kill()
            self.process.join()


def start_forked(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Forked:
    """Starts a command that ends with the tests at the latest."""
    return Forked(_fork(arguments, environment, (NO_INPUT, log, log)), log)


@contextmanager
def running_forked(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Generator[Forked]:
    """Runs a command that ends with the block at the latest."""
    process = start_forked(arguments, environment, log)
    try:
        yield process
    finally:
        process.stop()


def _fork(
    arguments: Sequence[str], environment: Mapping[str, str], streams: tuple[Path, Path, Path]
) -> ForkServerProcess:
    process = _forks().Process(target=_become, args=(arguments, dict(environment), streams, Path.cwd()), daemon=True)
    process.start()
    return process


def share_fork_server() -> None:
    """Starts the fork server for all processes that are forked afterwards. It ends with the last of them."""
    _forks()
    server: Any = vars(forkserver)["_forkserver"]
    server.ensure_running = _do_nothing  # it would wait for a process that is no child of theirs


def _do_nothing() -> None:
    pass


@cache
def _forks() -> ForkServerContext:
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.support.preloaded"])
    # The fork server imports modules from its working directory, and each test changes to its own.
    with chdir(Path(__file__).parents[2]):
        forkserver.ensure_running()
    return context


def _become(arguments: Sequence[str], environment: dict[str, str], streams: tuple[Path, Path, Path], cwd: Path) -> None:
    """Runs in the forked process: `adsum` in its own session, which the kernel kills when the fork server ends."""
    # The fork server ends when all ends of this pipe are closed, however the tests have ended.
    server: Any = vars(forkserver)["_forkserver"]
    os.close(server._forkserver_alive_fd)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the fork server ignores it, as background jobs do
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # tests that `nohup` has started ignore it
    for number, path in enumerate(streams):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND
        os.dup2(os.open(path, flags, 0o600), number)
    sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, mode) for number, mode in enumerate("rww"))
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["adsum", *arguments]
    importlib.import_module("adsum.main").main()
