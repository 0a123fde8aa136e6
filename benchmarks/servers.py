"""Servers of a benchmark: one durable Postgres for all cases, and a database and a Valkey per case."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg  # pyright: ignore[reportMissingTypeStubs]
from redis.asyncio import Redis

from adsum.platform.embedded.valkey import Valkey
from tests.support.servers.postgres import Postgres, temporary_postgres
from tests.support.servers.processes import short_folder
from tests.support.servers.valkey import url_of, valkey_in

ROOT = Path(__file__).parents[1]
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


@dataclass
class Servers:
    """The Postgres server, and the folder of the cases."""

    postgres: Postgres
    folder: Path
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def postmaster(self) -> int:
        return int((self.postgres.data / "postmaster.pid").read_text().split()[0])

    def connect_to(self, database: str) -> dict[str, str]:
        """Returns the environment variables that the peers' drivers read."""
        return {"PGHOST": str(self.postgres.folder), "PGUSER": "postgres", "PGDATABASE": database}


@dataclass(frozen=True, slots=True)
class Data:
    """Data of one case: a folder, a Valkey, and a database on Postgres unless the system uses SQLite."""

    folder: Path
    valkey: Valkey
    valkey_pid: int
    redis: Any  # the client's commands are not fully typed
    database: str
    postgres: Any  # asyncpg has no types

    @property
    def redis_url(self) -> str:
        return url_of(self.valkey)


@contextmanager
def started_servers() -> Generator[Servers]:
    with short_folder() as folder, temporary_postgres(durable=True) as postgres:
        yield Servers(postgres, folder)


async def require_durability(servers: Servers) -> None:
    """Raises RuntimeError if Postgres may lose committed transactions."""
    connection = await connected(servers, "postgres")
    try:
        for name, wanted in DURABLE.items():
            found = await connection.fetchval("SELECT current_setting($1)", name)
            if found != wanted:
                raise RuntimeError(f"Postgres has {name}={found}")
    finally:
        await connection.close()


async def connected(servers: Servers, database: str) -> Any:
    where: dict[str, Any] = {"host": str(servers.postgres.folder), "user": "postgres", "database": database}
    return await asyncpg.connect(**where)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]


@asynccontextmanager
async def own_data(servers: Servers, template: str | None) -> AsyncGenerator[Data]:
    """Creates data for one case and drops it at the end. With a template, includes a copy of that database."""
    number = next(servers.numbers)
    folder, name = servers.folder / str(number), f"system_{number}"
    folder.mkdir()
    with valkey_in(folder) as valkey:
        redis: Any = Redis.from_url(url_of(valkey), decode_responses=True)  # pyright: ignore[reportUnknownMemberType]
        pid = int((await redis.info("server"))["process_id"])
        if template is None:
            yield Data(folder, valkey, pid, redis, "", None)
        else:
            servers.postgres.run(f"CREATE DATABASE {name} TEMPLATE {template}")
            servers.postgres.run("CHECKPOINT")  # so that earlier writes do not cost time in this case
            connection = await connected(servers, name)
            try:
                yield Data(folder, valkey, pid, redis, name, connection)
            finally:
                await connection.close()
                servers.postgres.run(f"DROP DATABASE {name} WITH (FORCE)")
        await redis.aclose()
