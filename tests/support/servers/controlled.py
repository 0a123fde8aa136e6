"""A server that a test stops, kills, freezes and restarts, without blocking the test's event loop."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from adsum.platform.embedded.orphans import die_with_this_process
from adsum.platform.embedded.valkey import Valkey
from tests.support.servers.postgres import command_of, new_postgres
from tests.support.servers.processes import START_S, children_of, eventually, frozen, is_alive, short_folder, stop


class Controlled:
    """One server, with the same data at each start."""

    def __init__(self, command: Sequence[str], log: Path, answers: Callable[[], bool]) -> None:
        self._command = command
        self._log = log
        self._answers = answers
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Returns when the server answers. It does not run in a thread, with which the server would end."""
        self._launch()
        try:
            await eventually(self._is_ready, START_S)
        except TimeoutError:
            raise TimeoutError(f"the server does not answer:\n{self._log.read_text()[-2000:]}") from None

    def _is_ready(self) -> bool:
        if self.pid is None:
            self._launch()  # a connection of another test had its port, which was free a moment before
        return bool(self._answers())

    def _launch(self) -> None:
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                die_with_this_process(self._command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def pid(self) -> int | None:
        """The process; None: it has ended."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def send(self, signal_number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(signal_number)

    def frozen(self) -> AbstractContextManager[None]:
        """Freezes the server with its processes until the block ends. It accepts connections and answers nothing."""
        assert self._process is not None
        return frozen(self._process.pid)

    async def down(self, signal_number: signal.Signals = signal.SIGKILL) -> None:
        """Ends the server, by SIGKILL unless another signal is given. Returns when all its processes have ended.

        The process that Postgres has for each connection answers for a moment after its parent is killed.
        """
        process = self._process
        assert process is not None
        children = children_of(process.pid)
        process.send_signal(signal_number)
        await eventually(lambda: process.poll() is not None and not any(map(is_alive, children)), START_S)

    async def restart(self, signal_number: signal.Signals = signal.SIGKILL) -> None:
        await self.down(signal_number)
        await self.start()

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            stop(self._process, signal.SIGKILL)


@contextmanager
def controlled_valkey() -> Generator[tuple[Controlled, Valkey]]:
    """Yields a stopped Valkey with its own folder."""
    with short_folder() as folder:
        server = Valkey(folder, folder / "valkey.sock")
        controlled = Controlled(server.prepare(), server.log, server.answers)
        try:
            yield controlled, server
        finally:
            controlled.close()


@contextmanager
def controlled_postgres(data: Path | None = None, *, durable: bool = False) -> Generator[tuple[Controlled, str]]:
    """Yields a stopped Postgres and the URL of its database `postgres`. Its data are a copy, or empty."""
    with new_postgres(data) as server:
        controlled = Controlled(command_of(server, durable=durable), server.log, server.answers)
        try:
            yield controlled, server.url("postgres")
        finally:
            controlled.close()
