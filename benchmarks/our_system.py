"""Adsum as installed: `adsum serve` and `adsum worker` with default settings, on Postgres or SQLite."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from typing_extensions import override

from adsum.events.webhooks.queue import queue_of_webhooks
from benchmarks.checks import OPEN_RUNS, Query, key_violations, of_bullmq, row_violations, run_violations
from benchmarks.schools import KEY
from benchmarks.servers import ROOT, Data, Servers
from benchmarks.systems import System, remaining_violations
from benchmarks.timetable import Timetable

SWEEPER = ("attendance-sweeper", "attendance-released-until")
FIXED = (*of_bullmq("attendance"), *of_bullmq(queue_of_webhooks("attendance")), *SWEEPER)


def clear_settings() -> None:
    """Removes `ADSUM_*` from the environment, so that default settings are measured."""
    for name in [name for name in os.environ if name.startswith("ADSUM_")]:
        del os.environ[name]


class OurSystem(System):
    """Adsum on Postgres. Each request is authenticated."""

    name = "adsum"

    def __init__(self, data: Data, timetable: Timetable, servers: Servers, token: str) -> None:
        super().__init__(data, timetable)
        self._token = token
        self._database_url = servers.postgres.url(data.database)

    @property
    @override
    def token(self) -> str:
        return self._token

    @override
    def api(self) -> tuple[Sequence[str], Mapping[str, str]]:
        return [sys.executable, "-m", "adsum", "serve"], self._environment()

    @override
    def worker(self) -> tuple[Sequence[str], Mapping[str, str]]:
        return [sys.executable, "-m", "adsum", "worker"], self._environment()

    def _environment(self) -> dict[str, str]:
        return {
            "PYTHONPATH": str(ROOT / "src"),
            "ADSUM_DATABASE_URL": self._database_url,
            "ADSUM_REDIS_URL": self.data.redis_url,
            "ADSUM_SECRET_KEY": KEY,
            "ADSUM_PORT": "0",
            "ADSUM_LOG_FORMAT": "json",
        }

    @override
    async def are_complete(self) -> bool:
        ((still_open,),) = await self.query(OPEN_RUNS)
        return still_open == 0

    @override
    async def violations(self) -> list[str]:
        database = await row_violations(self.query, self.timetable) + await run_violations(self.query, self.timetable)
        return database + await remaining_violations(lambda: key_violations(self.data.redis, self.timetable, FIXED))


class OurEmbeddedSystem(OurSystem):
    """Adsum on SQLite with `synchronous=FULL`, and the Valkey that `adsum up` starts."""

    name = "embedded"

    def __init__(self, data: Data, timetable: Timetable, servers: Servers, token: str) -> None:
        super().__init__(data, timetable, servers, token)
        self._file = data.folder / "adsum.db"
        self._database_url = f"sqlite:///{self._file}"

    @property
    @override
    def query(self) -> Query:
        async def run_query(statement: str) -> Sequence[Sequence[Any]]:
            with closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True)) as connection:
                return connection.execute(statement).fetchall()

        return run_query

    @override
    async def written(self) -> int:
        """Returns the expected number. On SQLite, `are_complete` alone tells whether all rows are recorded."""
        return self.timetable.rows
