"""An address of `adsum up`: whether its port is free, a free one in place of 0, and whether the API there is ready."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from dataclasses import dataclass, replace

from adsum.platform.errors import ConfigurationError

ANSWER_TIMEOUT_S = 2.0
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}  # noqa: S104 - replaced, never bound


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port to listen on. Port 0 is any free port."""

    host: str
    port: int

    @property
    def local_host(self) -> str:
        """The host to connect to from this machine."""
        return _ANY.get(self.host, self.host)

    @property
    def url(self) -> str:
        host = f"[{self.local_host}]" if ":" in self.local_host else self.local_host
        return f"http://{host}:{self.port}"

    def settled(self, setting: str) -> Address:
        """This address, with a free port in place of port 0."""
        return self if self.port else replace(self, port=self._bound_port(setting))

    def ensure_free(self, setting: str) -> None:
        """Raises ConfigurationError, which names the setting to change, if the port is not available."""
        self._bound_port(setting)

    async def is_ready(self) -> bool:
        """Whether GET /readyz answers 200 now."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                reader, writer = await asyncio.open_connection(self.local_host, self.port)
                try:
                    writer.write(f"GET /readyz HTTP/1.0\r\nHost: {self.local_host}\r\n\r\n".encode())
                    return b" 200 " in await reader.readline()
                finally:
                    writer.close()
        return False

    def _bound_port(self, setting: str) -> int:
        try:
            family, kind, protocol, _, where = socket.getaddrinfo(
                self.host or None, self.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            with socket.socket(family, kind, protocol) as listener:
                # As servers do: a port with connections in TIME_WAIT is free.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(where)
                return int(listener.getsockname()[1])
        except OSError as error:
            reason = error.strerror or str(error)
            raise ConfigurationError(
                f"cannot listen on {self.host}:{self.port}: {reason}; choose another {setting}"
            ) from None
