"""PgBouncer in front of a Postgres of the tests, in transaction mode. Debian's package has the program."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.support.servers.controlled import Controlled
from tests.support.servers.postgres import Postgres, as_other_user
from tests.support.servers.processes import running, short_folder

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
PORT = 6432

needs_pgbouncer = pytest.mark.skipif(
    PROGRAM is None, reason="pgbouncer is not installed: apt-get install pgbouncer, or brew install pgbouncer"
)


@dataclass(frozen=True, slots=True)
class PgBouncer:
    """A stopped PgBouncer with the folder of its socket."""

    folder: Path
    command: list[str]

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def url(self, postgres_url: str) -> str:
        """The URL of a database of Postgres behind this pooler."""
        return f"postgresql://postgres@/{make_url(postgres_url).database}?host={self.folder}&port={PORT}"

    def answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as client:
            return client.connect_ex(str(self.folder / f".s.PGSQL.{PORT}")) == 0


@contextlib.contextmanager
def new_pgbouncer(server: Postgres, *, connections: int, settings: str = "") -> Generator[PgBouncer]:
    """It will open that many connections to each database. `settings` are further lines of its configuration."""
    assert PROGRAM is not None
    with short_folder() as folder:
        folder.chmod(0o777)  # its user makes the socket
        # Tests end all connections to a database that they give back, and may take it again at once: a connection is
        # checked before each use. PgBouncer would otherwise hand out one that has ended, and refuse the client.
        configuration = folder / "pgbouncer.ini"
        configuration.write_text(f"""[databases]
* = host={server.folder} port={server.port} user=postgres
[pgbouncer]
listen_addr =
listen_port = {PORT}
unix_socket_dir = {folder}
auth_type = any
pool_mode = transaction
default_pool_size = {connections}
server_round_robin = 1
server_check_delay = 0
{settings}
""")
        yield PgBouncer(folder, as_other_user([PROGRAM, str(configuration)]))


@contextlib.contextmanager
def running_pgbouncer(server: Postgres, *, connections: int = 3, settings: str = "") -> Generator[PgBouncer]:
    """Runs it until the block ends."""
    with (
        new_pgbouncer(server, connections=connections, settings=settings) as pooler,
        running(pooler.command, pooler.log, pooler.answers),
    ):
        yield pooler


@contextlib.asynccontextmanager
async def controlled_pgbouncer(server: Postgres, *, connections: int) -> AsyncGenerator[tuple[PgBouncer, Controlled]]:
    """Runs one that a test stops and starts."""
    with new_pgbouncer(server, connections=connections) as pooler:
        controlled = Controlled(pooler.command, pooler.log, pooler.answers)
        try:
            await controlled.start()
            yield pooler, controlled
        finally:
            controlled.close()
