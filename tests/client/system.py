"""The API and a worker as processes, and schools for the tests of the client."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from adsum.accounts.access import Permission, Role
from adsum.client import NewBatch
from adsum.platform.settings import Settings
from adsum.wiring import Adsum, open_adsum
from tests.support.commands import Commands, commands
from tests.support.forked import start_forked
from tests.support.live import SECRET, environment, serving
from tests.support.schools import SchoolIds, make_school, make_user
from tests.support.servers.processes import START_S, run_apart, wait_until
from tests.support.servers.valkey import temporary_valkey, url_of

Result = TypeVar("Result")

DAY = "2024-12-25"
PERMISSIONS = (
    Permission.ATTENDANCE_CREATE,
    Permission.ATTENDANCE_READ,
    Permission.BATCH_READ,
    Permission.BATCH_OPERATE,
    Permission.ROSTER_READ,
)


@dataclass(frozen=True, slots=True)
class Caller:
    """A school of 30 students in one class, and the API key of its platform."""

    school: SchoolIds
    key: str

    def whole_class(self, **fields: Any) -> NewBatch:
        wanted: dict[str, Any] = {"is_selected_all": True} | fields
        return NewBatch(self.school.class_id, self.school.session_id, DAY, **wanted)


@dataclass(frozen=True, slots=True)
class System:
    """Settings of running processes, and the port of the API."""

    commands: Commands
    port: int

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def do(self, work: Callable[[Adsum], Coroutine[Any, Any, Result]]) -> Result:
        return done_at(self.commands, work)

    def new_caller(self, permissions: tuple[Permission, ...] = PERMISSIONS) -> Caller:
        return caller_at(self.commands, permissions)

    def new_token(self, caller: Caller) -> str:
        """A bearer token of the office of the caller's school."""
        email = f"office@school{caller.school.school_id}.example"

        async def make(adsum: Adsum) -> str:
            async with adsum.database.transaction() as connection:
                await make_user(connection, Role.OFFICE, caller.school.school_id, email=email)
            return (await adsum.tokens.create(email)).text

        return self.do(make)

    @contextmanager
    def worker_away(self) -> Generator[Callable[[], None]]:
        """No worker takes a batch until the yielded function is called, or the block ends."""
        self.commands.output("queue", "pause")
        try:
            yield self._resume
        finally:
            self._resume()

    def _resume(self) -> None:
        self.commands.output("queue", "resume")


def done_at(commands: Commands, work: Callable[[Adsum], Coroutine[Any, Any, Result]]) -> Result:
    """Returns the result of `work` on the database and Redis of these commands."""
    results: list[Result] = []

    async def with_services() -> None:
        settings = Settings(**commands.settings)  # pyright: ignore[reportArgumentType] - as from the environment
        async with open_adsum(settings) as adsum:
            results.append(await work(adsum))

    run_apart(with_services())
    return results[0]


def caller_at(commands: Commands, permissions: tuple[Permission, ...] = PERMISSIONS) -> Caller:
    """Adds a school and its key to the database of these commands."""

    async def make(adsum: Adsum) -> Caller:
        async with adsum.database.transaction() as connection:
            school = await make_school(connection, students=30)
        key = await adsum.api_keys.create(f"lms {school.school_id}", permissions, [school.school_id])
        return Caller(school, key.secret)

    return done_at(commands, make)


@contextmanager
def running_system(template: Path, folder: Path) -> Generator[System]:
    """Runs the API and a worker until the block ends, on a copy of this SQLite file and a Valkey of their own."""
    database = folder / "client.db"
    shutil.copy(template, database)
    with temporary_valkey() as valkey:
        urls = {"database_url": f"sqlite+aiosqlite:///{database}", "redis_url": url_of(valkey)}
        log = folder / "worker.log"
        worker = start_forked(["worker"], environment(**urls, secret_key=SECRET), log)
        try:
            with serving(**urls) as live:
                wait_until(lambda: log.exists() and "worker started" in log.read_text(), START_S, "the worker runs")
                yield System(commands(**urls, log_level="WARNING"), live.port)
        finally:
            worker.stop()
