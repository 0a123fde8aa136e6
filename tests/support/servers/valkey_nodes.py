"""Servers of Valkey on loopback that belong together, and Sentinels: each on a port of 127.0.0.1."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from adsum.platform.embedded.valkey import find_binary
from tests.support.servers.controlled import Controlled

# Sentinels find each other by messages that they publish every two seconds.
READY_S = 30
ANSWER_S = 2.0


@dataclass
class ValkeyNode:
    """A server, or a Sentinel."""

    port: int
    password: str
    server: Controlled = field(init=False)
    is_sentinel: bool = field(default=False, kw_only=True)

    def ask(self, *words: str) -> list[str]:
        """Sends a command. Returns its reply as lines without the marks of the protocol."""
        command = f"AUTH {self.password}\r\n{' '.join(words)}\r\n"
        with socket.create_connection(("127.0.0.1", self.port), timeout=ANSWER_S) as connection:
            if self.is_sentinel:  # it has no QUIT
                connection.sendall(command.encode())
                connection.shutdown(socket.SHUT_WR)
            else:  # a command that waits for a replica would end with its connection
                connection.sendall(f"{command}QUIT\r\n".encode())
            with connection.makefile("rb") as reply:
                lines = reply.read().decode(errors="replace").splitlines()
        of_command = lines[1:] if self.is_sentinel else lines[1:-1]
        return [line for line in of_command if not line.startswith(("$", "*"))]

    def answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self.ask("PING") == ["+PONG"]
        return False

    def serve_from(self, home: Path, settings: Mapping[str, str], *options: str) -> None:
        """Prepares the server, which is stopped, with its own folder."""
        home.mkdir(exist_ok=True)
        common = {"bind": "127.0.0.1", "port": str(self.port), "dir": str(home), "daemonize": "no"}
        configuration = home / "valkey.conf"
        configuration.write_text("".join(f"{key} {value}\n" for key, value in {**common, **settings}.items()))
        self.server = Controlled([str(find_binary()), str(configuration), *options], home / "log", self.answers)


def settings_of_server(password: str) -> dict[str, str]:
    """The settings of a server with replicas that has to lose nothing."""
    return {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": '""',
        "maxmemory-policy": "noeviction",
        "repl-diskless-sync-delay": "0",
        "requirepass": password,
        "masterauth": password,
    }


class Startable(Protocol):
    """Servers that start together."""

    async def start(self) -> None: ...


Servers = TypeVar("Servers", bound=Startable)


@contextlib.contextmanager
def running(stopped: AbstractContextManager[Servers]) -> Generator[Servers]:
    """Yields servers that run. For a fixture of a module, which has no event loop of a test."""
    # Not in a thread: the servers would end with it.
    with stopped as servers, asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(servers.start())
        yield servers
