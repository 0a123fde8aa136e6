"""`adsum up`: Valkey, the database, the API and a worker in one data folder, started by one command."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import webbrowser
from collections.abc import Awaitable, Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from adsum.platform.cancellation import end
from adsum.platform.command_line.progress import Steps
from adsum.platform.embedded.address import Address
from adsum.platform.embedded.data_folder import DataFolder
from adsum.platform.embedded.orphans import reap
from adsum.platform.embedded.supervisor import ProgramFailed, Supervisor
from adsum.platform.embedded.valkey import Valkey
from adsum.platform.errors import ConfigurationError
from adsum.platform.settings import Settings
from adsum.processes.programs import (
    Commands,
    Programs,
    StopSignals,
    environment_of,
    programs,
    show,
    valkey_program,
    warnings_as,
)

VALKEY_START_S = 300  # a large append-only file takes minutes to load
READY_S = 60


def run_up(settings: Settings, *, demo: bool, open_browser: bool, commands: Commands | None = None) -> None:
    """Runs everything until SIGINT, SIGTERM or SIGHUP. The first signal stops all programs in order, a second at once.

    Raises:
        ConfigurationError: the folder or a port is in use, two settings name one port, there is no Valkey server, or a
            configured server cannot be used; no server runs.
        Unavailable: a program cannot start, with its last lines; all programs are stopped.
    """
    folder, address = DataFolder.of(settings), Address(settings.host, settings.port).settled("ADSUM_PORT")
    os.umask(0o077)  # files are private also in a folder that existed before
    folder.create()
    with folder.held(address.url):
        folder.ensure_whole()
        reap(folder.running)
        address.ensure_free("ADSUM_PORT")
        valkey = None if settings.redis_url else _valkey(settings, folder, address)
        demo = demo and settings.database_url is None
        if demo and not folder.database.exists():
            folder.demo_wanted.touch()
        parts = programs(
            commands or Commands(), environment_of(settings, folder, address), demo=demo and folder.demo_wanted.exists()
        )
        supervisor = Supervisor(folder.running, show, warnings_as(settings.log_format, "up"))
        up = _Up(parts, valkey, address, supervisor, prepare_first=settings.database_url is not None)
        asyncio.run(up.run(lambda: _announce(folder, address, demo=demo, open_browser=open_browser)))


def _valkey(settings: Settings, folder: DataFolder, address: Address) -> Valkey:
    if settings.valkey_port:
        # The checks would find it free twice, since neither keeps it.
        if settings.valkey_port == address.port:
            raise ConfigurationError(
                f"ADSUM_VALKEY_PORT and ADSUM_PORT are both {address.port}: choose another for one"
            )
        Address("127.0.0.1", settings.valkey_port).ensure_free("ADSUM_VALKEY_PORT")
        folder.ensure_valkey_password()
    return Valkey(folder.valkey, folder.socket, settings.valkey_port, folder.read_valkey_password())


class _Up:
    """Everything that `up` runs.

    Args:
        valkey: the Valkey of the data folder; None if ADSUM_REDIS_URL is set.
        prepare_first: prepare the database before Valkey starts, not beside it. An unusable ADSUM_DATABASE_URL then
            ends the command before any server starts.
    """

    def __init__(
        self, parts: Programs, valkey: Valkey | None, address: Address, supervisor: Supervisor, *, prepare_first: bool
    ) -> None:
        self.parts = parts
        self.valkey = valkey
        self.address = address
        self.supervisor = supervisor
        self.prepare_first = prepare_first
        self.signals = StopSignals(supervisor)

    async def run(self, when_ready: Callable[[], None]) -> None:
        self.signals.listen()
        try:
            if await self._started():
                when_ready()
                await self.signals.stop_requested.wait()
        finally:
            # The API and the worker first: they need Valkey to finish their work.
            await self.supervisor.stop([self.parts.serve.name, self.parts.worker.name])
            await self.supervisor.stop(["valkey"])

    async def _started(self) -> bool:
        """Starts the programs. False: a signal requested the stop before all of them were ready."""
        starting = asyncio.create_task(self._start())
        stopping = asyncio.create_task(self.signals.stop_requested.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if starting.done():
            starting.result()
            return True
        await end([starting])
        if not starting.cancelled():
            starting.result()
        return False

    async def _start(self) -> None:
        with Steps(total=2 if self.valkey is None else 3) as steps:
            if self.prepare_first:
                await self._prepare(steps)
            if self.valkey is not None:
                steps.step("Starting Valkey")
                self.supervisor.keep(valkey_program(self.valkey))
            if not self.prepare_first:
                await self._prepare(steps)
            if self.valkey is not None:
                await self.supervisor.until(_async(self.valkey.answers), VALKEY_START_S, "Valkey")
            steps.step("Starting the API and a worker")
            self.supervisor.keep(self.parts.serve)
            self.supervisor.keep(self.parts.worker)
            await self.supervisor.until(self.address.is_ready, READY_S, f"{self.address.url}/readyz")

    async def _prepare(self, steps: Steps) -> None:
        steps.step("Preparing the database")
        try:
            await self.supervisor.run(self.parts.prepare)
        except ProgramFailed as failed:
            if failed.status == os.EX_CONFIG and failed.last_lines:
                raise ConfigurationError(failed.last_lines[-1]) from None
            raise


def _async(question: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        return question()

    return ask


def _announce(folder: DataFolder, address: Address, *, demo: bool, open_browser: bool) -> None:
    """Prints the address and the demo accounts, whose passwords only a terminal shows. Then opens the browser."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"Adsum is at [bold]{address.url}[/bold]")
    if console.is_terminal:
        console.print(f"API documentation at {address.url}/docs, data in {folder.root}")
        if demo and folder.credentials.exists():
            console.print(_accounts(folder.credentials))
        elif not demo:
            console.print("`adsum user add EMAIL --role admin` adds the first admin.")
        console.print("Ctrl-C stops everything.")
    elif demo and folder.credentials.exists():
        console.print(f"The demo accounts are in {folder.credentials}")
    if open_browser and sys.stdout.isatty() and _has_display():
        # In a thread: it may wait for the browser.
        threading.Thread(target=webbrowser.open, args=(address.url,), daemon=True).start()


def _accounts(credentials: Path) -> Table:
    table = Table("account", "password", title="Demo school", title_justify="left")
    for email, password in json.loads(credentials.read_text(encoding="utf-8")).items():
        table.add_row(email, password)
    return table


def _has_display() -> bool:
    if sys.platform == "darwin":
        return "SSH_CONNECTION" not in os.environ
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
