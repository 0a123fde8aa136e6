"""A measured system: its processes, its API, and how the benchmark detects that its work is done."""

from __future__ import annotations

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from typing_extensions import override

from benchmarks.checks import Query, have_markers, key_violations, row_violations
from benchmarks.servers import Data
from benchmarks.timetable import Timetable
from tests.support.servers.processes import running

DONE_S = 120
POLL_S = 0.005
AT_REST_S = 15
# Constant cost for any number of rows. The sequence may run ahead of commits, but never behind.
WRITTEN = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM attendances_id_seq"


Result = tuple[dict[str, float], list[str]]
"""Values by measure, and failed checks."""


class Unfinished(Exception):
    """A system did not finish its work in time."""


class System(ABC):
    """One system on its own data."""

    name: str

    def __init__(self, data: Data, timetable: Timetable) -> None:
        self.data = data
        self.timetable = timetable
        self.processes: dict[str, int] = {}

    @property
    @abstractmethod
    def token(self) -> str:
        """The bearer token of requests; empty if the system has no authentication."""

    @abstractmethod
    def api(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """Returns the command and the environment of the API."""

    @abstractmethod
    def worker(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """Returns the command and the environment of a worker process."""

    @abstractmethod
    async def are_complete(self) -> bool:
        """Returns whether each batch is complete. Called once all rows are written."""

    @abstractmethod
    async def violations(self) -> list[str]:
        """Returns failed checks. Called once all work is done; the system may still be removing its last keys."""

    @property
    def query(self) -> Query:
        """Runs statements on Postgres. A system on another database overrides this."""
        assert self.data.postgres is not None
        return self.data.postgres.fetch

    async def written(self) -> int:
        """Returns the number of rows that are written or being written."""
        ((count,),) = await self.query(WRITTEN)
        return count

    async def is_done(self) -> bool:
        return await self.written() >= self.timetable.rows and await self.are_complete()

    async def wait_until_done(self) -> None:
        """Returns when each submitted batch is complete."""
        deadline = time.monotonic() + DONE_S
        while not await self.is_done():
            if time.monotonic() > deadline:
                raise Unfinished(f"{await self.written()} of {self.timetable.rows} rows after {DONE_S} s")
            await asyncio.sleep(POLL_S)

    def log_tail(self, kind: str) -> str:
        """Returns the end of a process's log."""
        return self._log(kind).read_text(encoding="utf-8", errors="replace")[-1000:]

    def _log(self, kind: str) -> Path:
        return self.data.folder / f"{kind}.log"

    @contextmanager
    def with_api(self) -> Generator[int]:
        """Yields the port of the API."""
        command, environment = self.api()
        with self._process("api", command, environment, "listening") as event:
            yield int(event["port"])

    @contextmanager
    def with_worker(self) -> Generator[None]:
        command, environment = self.worker()
        with self._process("worker", command, environment, "waiting"):
            yield

    @contextmanager
    def _process(
        self, kind: str, command: Sequence[str], environment: Mapping[str, str], ready_event: str | None
    ) -> Generator[dict[str, Any]]:
        """Runs a process until the block ends. Yields the log event whose text begins with `ready_event`."""
        log = self._log(kind)
        settings = [f"{name}={value}" for name, value in environment.items()]
        wrapped = ["/usr/bin/env", "-C", str(log.parent), *settings, *command]
        with running(wrapped, log, lambda: ready_event is None or bool(_log_event(log, ready_event))) as started:
            self.processes[kind] = started.pid
            yield _log_event(log, ready_event) if ready_event is not None else {}


def _log_event(log: Path, ready_event: str) -> dict[str, Any]:
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("{") and line.endswith("}"):
            fields = json.loads(line)
            if str(fields.get("event")).startswith(ready_event):
                return fields
    return {}


async def remaining_violations(check: Callable[[], Awaitable[list[str]]]) -> list[str]:
    """Returns the violations that remain after at most 15 s: the last keys are removed after the last row."""
    deadline = time.monotonic() + AT_REST_S
    while (violations := await check()) and time.monotonic() < deadline:  # noqa: ASYNC110 - another process removes the keys
        await asyncio.sleep(0.1)
    return violations


class SeedLike(System):
    """A system whose batches are complete when their markers exist."""

    fixed: Sequence[str] = ()

    @override
    async def are_complete(self) -> bool:
        return await have_markers(self.data.redis, self.timetable)

    @override
    async def violations(self) -> list[str]:
        rows = await row_violations(self.query, self.timetable)
        return rows + await remaining_violations(lambda: key_violations(self.data.redis, self.timetable, self.fixed))
