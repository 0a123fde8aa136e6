"""The servers of a run: one durable Postgres for all, and for each system a database and a Valkey of its own."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg  # pyright: ignore[reportMissingTypeStubs]
from redis.asyncio import Redis

from adsum.embedded.valkey import Valkey
from tests.support.servers.postgres import Postgres, temporary_postgres
from tests.support.servers.processes import short_folder
from tests.support.servers.valkey import url_of, valkey_in

ROOT = Path(__file__).parents[1]
DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}


@dataclass
class Servers:
    """Where databases are made of templates."""

    postgres: Postgres
    folder: Path
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    @property
    def postmaster(self) -> int:
        return int((self.postgres.data / "postmaster.pid").read_text().split()[0])

    def connect_to(self, database: str) -> dict[str, str]:
        """What the peers' drivers read."""
        return {"PGHOST": str(self.postgres.folder), "PGUSER": "postgres", "PGDATABASE": database}


@dataclass(frozen=True, slots=True)
class Data:
    """One system's own: a folder, a Valkey, and a database on Postgres; none where it is on SQLite."""

    folder: Path
    valkey: Valkey
    valkey_pid: int
    redis: Any  # its commands are not fully typed
    database: str
    postgres: Any  # asyncpg has no types

    @property
    def redis_url(self) -> str:
        return url_of(self.valkey)


@contextmanager
def started_servers() -> Generator[Servers]:
    with short_folder() as folder, temporary_postgres(durable=True) as postgres:
        yield Servers(postgres, folder)


async def insist_on_durability(servers: Servers) -> None:
    """Raises if Postgres would lose what it has confirmed."""
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
    """Data for one system, gone at the end. With a template, a database on Postgres that is a copy of it."""
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
            servers.postgres.run("CHECKPOINT")  # what was written before is not to be paid now
            connection = await connected(servers, name)
            try:
                yield Data(folder, valkey, pid, redis, name, connection)
            finally:
                await connection.close()
                servers.postgres.run(f"DROP DATABASE {name} WITH (FORCE)")
        await redis.aclose()
