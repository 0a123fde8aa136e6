"""A Valkey for tests, started with the code of `adsum up`."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Generator
from pathlib import Path

from adsum.platform.embedded.valkey import Valkey
from tests.support.servers.processes import running, short_folder


@contextlib.contextmanager
def valkey_in(folder: Path) -> Generator[Valkey]:
    """Runs a server with its data and its socket in `folder`. Existing data are loaded."""
    server = Valkey(folder, folder / "valkey.sock")
    with running(server.prepare(), server.log, server.answers):
        yield server


@contextlib.contextmanager
def temporary_valkey() -> Generator[Valkey]:
    """Runs a server in a temporary folder, for a test that stops or fills it."""
    with short_folder() as folder, valkey_in(folder) as server:
        yield server


def url_of(server: Valkey) -> str:
    return f"unix://{server.socket}"


def tell(server: Valkey, command: str) -> str:
    """Sends one command whose arguments have no spaces. Returns a reply that is a line or a text."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(10)
        connection.connect(str(server.socket))
        connection.sendall(f"{command}\r\n".encode())
        with connection.makefile("rb") as reply:
            line = reply.readline().decode().strip()
            return reply.read(int(line[1:])).decode() if line.startswith("$") and line != "$-1" else line


def pid_of(server: Valkey) -> int:
    """Returns the process of a running server."""
    return int(_info(server)["process_id"])


def _info(server: Valkey) -> dict[str, str]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(10)
        connection.connect(str(server.socket))
        connection.sendall(b"INFO server\r\n")
        with connection.makefile("rb") as reply:
            size = int(reply.readline()[1:])
            lines = reply.read(size).decode().splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)
