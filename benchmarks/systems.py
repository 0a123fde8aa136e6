"""A system that is measured: its processes, where its API is, and how it is seen from outside that it is done."""

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

from benchmarks.checks import Ask, are_marked, key_violations, row_violations
from benchmarks.servers import Data
from benchmarks.timetable import Timetable
from tests.support.servers.processes import running

DONE_S = 120
LOOK_S = 0.005
AT_REST_S = 15
# One step to read, however many rows there are; it may run ahead of commits, never behind.
WRITTEN = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM attendances_id_seq"


Outcome = tuple[dict[str, float], list[str]]
"""What was measured, by measure; and what is wrong."""


class Unfinished(Exception):
    """A system did not come to the end of its work."""


class System(ABC):
    """One system on data of its own. `starts` are the commands of its API and its worker."""

    name: str

    def __init__(self, data: Data, timetable: Timetable) -> None:
        self.data = data
        self.timetable = timetable
        self.processes: dict[str, int] = {}

    @property
    @abstractmethod
    def token(self) -> str:
        """What a request bears; empty: this system asks for nothing."""

    @abstractmethod
    def api(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """The command and the environment of the API."""

    @abstractmethod
    def worker(self) -> tuple[Sequence[str], Mapping[str, str]]:
        """The same of one worker process."""

    @abstractmethod
    async def are_complete(self) -> bool:
        """Whether every batch is complete, once all rows are written."""

    @abstractmethod
    async def violations(self) -> list[str]:
        """What is wrong, after everything is done; its own keys may take a moment to go."""

    @property
    def ask(self) -> Ask:
        """On Postgres; a system that may be elsewhere says where."""
        assert self.data.postgres is not None
        return self.data.postgres.fetch

    async def written(self) -> int:
        """How many rows were written, or are just being."""
        ((count,),) = await self.ask(WRITTEN)
        return count

    async def is_done(self) -> bool:
        return await self.written() >= self.timetable.rows and await self.are_complete()

    async def done(self) -> None:
        """Returns when every batch that was given is complete."""
        deadline = time.monotonic() + DONE_S
        while not await self.is_done():
            if time.monotonic() > deadline:
                raise Unfinished(f"{await self.written()} of {self.timetable.rows} rows after {DONE_S} s")
            await asyncio.sleep(LOOK_S)

    def said(self, kind: str) -> str:
        """The end of a process's log."""
        return self._log(kind).read_text(encoding="utf-8", errors="replace")[-1000:]

    def _log(self, kind: str) -> Path:
        return self.data.folder / f"{kind}.log"

    @contextmanager
    def with_api(self) -> Generator[int]:
        """Gives its port."""
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
        self, kind: str, command: Sequence[str], environment: Mapping[str, str], says: str | None
    ) -> Generator[dict[str, Any]]:
        """A process from when its log `says` so until the block ends, when it is told to end; gives what it said."""
        log = self._log(kind)
        settings = [f"{name}={value}" for name, value in environment.items()]
        wrapped = ["/usr/bin/env", "-C", str(log.parent), *settings, *command]
        with running(wrapped, log, lambda: says is None or bool(_said(log, says))) as started:
            self.processes[kind] = started.pid
            yield _said(log, says) if says is not None else {}


def _said(log: Path, says: str) -> dict[str, Any]:
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("{") and line.endswith("}"):
            fields = json.loads(line)
            if str(fields.get("event")).startswith(says):
                return fields
    return {}


async def violations_at_rest(look: Callable[[], Awaitable[list[str]]]) -> list[str]:
    """What is still wrong after a moment: a last key goes after the last row."""
    deadline = time.monotonic() + AT_REST_S
    while (violations := await look()) and time.monotonic() < deadline:  # noqa: ASYNC110 - another process takes them away
        await asyncio.sleep(0.1)
    return violations


class SeedLike(System):
    """A system whose batches are complete when their markers are there."""

    fixed: Sequence[str] = ()

    @override
    async def are_complete(self) -> bool:
        return await are_marked(self.data.redis, self.timetable)

    @override
    async def violations(self) -> list[str]:
        rows = await row_violations(self.ask, self.timetable)
        return rows + await violations_at_rest(lambda: key_violations(self.data.redis, self.timetable, self.fixed))
