"""One installation of Adsum as real processes behind counting proxies. Tests kill and freeze the processes."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import sys
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from adsum import wiring
from adsum.platform.settings import Settings
from adsum.wiring import Adsum
from tests.support.forked import start_forked
from tests.support.live import environment
from tests.support.servers.counting import CountingProxy, counting_postgres, counting_valkey
from tests.support.servers.processes import START_S, eventually, start_time

KEY = "x" * 64
# The network of the receivers of webhooks.
LOOPBACK = "127.0.0.0/8"
# As the proxies name the statements that number events, and that add deliveries to the log.
NUMBERING = "WITH moved AS"
STORING = "INSERT INTO webhook_deliveries"
# Disables periodic work of a victim, so that all its steps belong to its batch.
QUIET = {
    "ADSUM_SWEEP_INTERVAL": "60",
    "ADSUM_STALL_INTERVAL": "60",
    "ADSUM_MESSAGE_LOCK": "0.5",
    "ADSUM_WORKER_CONCURRENCY": "1",
}
QUICK = {
    "ADSUM_SWEEP_INTERVAL": "0.2",
    "ADSUM_SWEEP_GRACE": "0.2",
    "ADSUM_STALL_INTERVAL": "0.2",
    "ADSUM_MESSAGE_LOCK": "0.5",
}


@dataclass
class Member:
    """One process of the installation, with its proxies. SQLite has no server and no proxy.

    `started`: when the process started. A long part of the chaos suite starts so many processes that the system gives
    their ids again, and signals must reach no other process.
    """

    pid: int
    started: str
    log: Path
    proxies: dict[str, CountingProxy]

    @property
    def valkey(self) -> CountingProxy:
        return self.proxies["valkey"]

    @property
    def postgres(self) -> CountingProxy:
        return self.proxies["postgres"]

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def _signal(self, number: signal.Signals) -> None:
        if self.is_alive:
            os.kill(self.pid, number)

    @property
    def is_alive(self) -> bool:
        return start_time(self.pid) == self.started != ""

    async def wait_until_ended(self, seconds: float = 15) -> None:
        await eventually(lambda: not self.is_alive, seconds)

    async def wait_for_event(self, event: str) -> dict[str, object]:
        """Waits for a log event and returns it."""
        await eventually(lambda: self._find_event(event) is not None, START_S)
        found = self._find_event(event)
        assert found is not None
        return found

    def _find_event(self, event: str) -> dict[str, object] | None:
        return next(self.find_events(event), None)

    def find_events(self, event: str) -> Generator[dict[str, object]]:
        """Yields these events of the log."""
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        found = (json.loads(line) for line in lines if line.startswith("{") and event in line)
        yield from (each for each in found if each["event"] == event)


@dataclass
class Installation:
    """The servers and processes of one installation. `adsum` runs in the test's process without proxies.

    Attributes:
        release: the source tree of another release, whose processes start from now on; None: this one.
    """

    folder: Path
    settings: Settings
    adsum: Adsum
    has_proxies: bool = True
    release: Path | None = None
    members: list[Member] = field(default_factory=list[Member])
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def is_on_postgres(self) -> bool:
        return self.adsum.database.is_postgres

    async def worker(self, stack: AsyncExitStack, pace: dict[str, str] = QUIET) -> Member:
        """Starts a worker and returns when it waits for its first chunk."""
        member = await self._start(stack, "worker", pace)
        await member.wait_for_event("waiting for chunks")
        if self.has_proxies:
            await eventually(lambda: "BZPOPMIN" in member.valkey.steps)
        return member

    async def api(self, stack: AsyncExitStack, pace: dict[str, str] = QUIET) -> tuple[Member, str]:
        """Starts an API. Returns it with its address."""
        member = await self._start(stack, "serve", pace)
        return member, f"http://127.0.0.1:{(await member.wait_for_event('listening'))['port']}"

    async def _start(self, stack: AsyncExitStack, command: str, pace: dict[str, str]) -> Member:
        assert self.settings.redis_url is not None
        assert self.settings.database_url is not None
        folder = self.folder / f"{command}-{next(self.numbers)}"
        folder.mkdir()
        database_url, redis_url = self.settings.database_url, self.settings.redis_url
        proxies: dict[str, CountingProxy] = {}
        if self.has_proxies:
            proxies["valkey"], redis_url = await stack.enter_async_context(counting_valkey(redis_url, folder))
        if self.has_proxies and self.is_on_postgres:
            proxies["postgres"], database_url = await stack.enter_async_context(counting_postgres(database_url, folder))
        variables = environment() | pace | self._variables(database_url, redis_url)
        if self.release is None:
            pid = start_forked([command], variables, folder / "log").pid
        else:
            pid = await start_release(self.release, [command], variables, folder / "log")
        member = Member(pid, start_time(pid), folder / "log", proxies)
        self.members.append(member)
        return member

    def _variables(self, database_url: str, redis_url: str) -> dict[str, str]:
        variables = {
            "ADSUM_DATABASE_URL": database_url,
            "ADSUM_REDIS_URL": redis_url,
            "ADSUM_KEY_PREFIX": self.settings.key_prefix,
            "ADSUM_CHUNK_SIZE": str(self.settings.chunk_size),
            "ADSUM_LOCK_TTL": str(self.settings.lock_ttl),
            "ADSUM_SECRET_KEY": KEY,
            "ADSUM_WEBHOOK_ALLOWED_NETWORKS": self.settings.webhook_allowed_networks,
            "ADSUM_PORT": "0",
            "ADSUM_LOG_FORMAT": "json",
        }
        if self.settings.queue_shards is not None:
            variables["ADSUM_QUEUE_SHARDS"] = str(self.settings.queue_shards)
        return variables


async def start_release(release: Path, arguments: Sequence[str], variables: dict[str, str], log: Path) -> int:
    """Starts a command of another release, in this environment. Returns the id of the process."""
    source = {"PYTHONPATH": str(release / "src")}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "adsum", *arguments), env=variables | source, stdout=output, stderr=output
        )
    return process.pid


@asynccontextmanager
async def open_installation(
    folder: Path, settings: Settings, *, has_proxies: bool = True
) -> AsyncGenerator[Installation]:
    """Opens an installation without processes. Kills all its processes at the end."""
    settings = settings.model_copy(update={"webhook_allowed_networks": LOOPBACK})
    async with wiring.open_adsum(settings) as adsum:
        installation = Installation(folder, settings, adsum, has_proxies)
        try:
            yield installation
        finally:
            for member in installation.members:
                member.kill()
            await asyncio.gather(*(member.wait_until_ended() for member in installation.members))
