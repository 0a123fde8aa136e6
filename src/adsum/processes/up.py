"""`adsum up`: Valkey, the database, the API and a worker, under one data folder, from one command."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable

from adsum.embedded.address import Address
from adsum.embedded.data_folder import DataFolder
from adsum.embedded.orphans import reap
from adsum.embedded.supervisor import Supervisor
from adsum.embedded.valkey import Valkey
from adsum.platform.command_line.steps import Steps
from adsum.platform.settings import Settings
from adsum.processes.announcement import announce, show_in_browser
from adsum.processes.supervising import Stopping, show, warn_as
from adsum.processes.up_programs import Commands, Programs, environment_of, programs, valkey_program

VALKEY_START_S = 300  # a large append-only file takes its time to load
READY_S = 60


def run_up(settings: Settings, *, demo: bool, open_browser: bool, commands: Commands | None = None) -> None:
    """Runs everything until SIGINT, SIGTERM or SIGHUP: the first stops all of it in order, a second at once.

    Raises:
        ConfigurationError: the folder or a port is in use, or there is no Valkey server; nothing was started.
        Unavailable: a program cannot start, with its last lines; everything is stopped.
    """
    folder, address = DataFolder.of(settings), Address(settings.host, settings.port).settled("ADSUM_PORT")
    os.umask(0o077)  # whatever is made in the folder is for nobody else to read, also where the folder was there before
    folder.create()
    with folder.held(address.url):
        folder.ensure_whole()
        reap(folder.running)
        address.ensure_free("ADSUM_PORT")
        valkey = None if settings.redis_url else _valkey(settings, folder)
        demo = demo and settings.database_url is None
        if demo and not folder.database.exists():
            folder.demo_wanted.touch()
        parts = programs(
            commands or Commands(), environment_of(settings, folder, address), demo=demo and folder.demo_wanted.exists()
        )
        up = _Up(parts, valkey, address, Supervisor(folder.running, show, warn_as(settings.log_format, "up")))
        asyncio.run(up.run(lambda: _announce(folder, address, demo=demo, open_browser=open_browser)))


def _valkey(settings: Settings, folder: DataFolder) -> Valkey:
    if settings.valkey_port:
        Address("127.0.0.1", settings.valkey_port).ensure_free("ADSUM_VALKEY_PORT")
    return Valkey(folder.valkey, folder.socket, settings.valkey_port)


class _Up:
    def __init__(self, parts: Programs, valkey: Valkey | None, address: Address, supervisor: Supervisor) -> None:
        self.parts = parts
        self.valkey = valkey
        self.address = address
        self.supervisor = supervisor
        self.stopping = Stopping(supervisor)

    async def run(self, when_ready: Callable[[], None]) -> None:
        self.stopping.listen()
        try:
            if await self._started():
                when_ready()
                await self.stopping.asked.wait()
        finally:
            # The API and the worker first: they drain, and need Valkey for that.
            await self.supervisor.stop([self.parts.serve.name, self.parts.worker.name])
            await self.supervisor.stop(["valkey"])

    async def _started(self) -> bool:
        """Whether everything was ready before somebody asked to stop."""
        starting = asyncio.create_task(self._start())
        stopping = asyncio.create_task(self.stopping.asked.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if starting.done():
            starting.result()
            return True
        starting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await starting
        return False

    async def _start(self) -> None:
        with Steps(total=3) as steps:
            if self.valkey is not None:
                steps.step("Starting Valkey")
                self.supervisor.keep(valkey_program(self.valkey))
            steps.step("Preparing the database")
            await self.supervisor.run(self.parts.prepare)
            if self.valkey is not None:
                await self.supervisor.until(_asking(self.valkey.answers), VALKEY_START_S, "Valkey")
            steps.step("Starting the API and a worker")
            self.supervisor.keep(self.parts.serve)
            self.supervisor.keep(self.parts.worker)
            await self.supervisor.until(self.address.is_ready, READY_S, f"{self.address.url}/readyz")


def _asking(question: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        return question()

    return ask


def _announce(folder: DataFolder, address: Address, *, demo: bool, open_browser: bool) -> None:
    announce(address.url, folder.root, folder.credentials if demo else None)
    if open_browser:
        show_in_browser(address.url)
