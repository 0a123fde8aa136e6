"""A proxy on loopback between a client and the API, which loses replies, cuts streams and holds them back."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

READ = 65536
REQUEST_LINE = re.compile(rb"(GET|POST|PATCH) (\S+) HTTP/1\.1\r\n")


@dataclass
class Proxy:
    """One port. Faults apply to what passes after they are set.

    Attributes:
        requests: the head of each request that was passed on, in order.
        lost_replies: so many replies are not passed on; their connections break instead.
        cut_after: breaks the next connection that passes on this text, right after it.
        holds_streams: passes on nothing of a stream of events.
        replaced: a text in replies, and what is passed on instead of it.
        unavailable: set when a reply of 503 has passed.
    """

    port: int
    to_port: int
    requests: list[str] = field(default_factory=list[str])
    lost_replies: int = 0
    cut_after: bytes = b""
    holds_streams: bool = False
    replaced: tuple[bytes, bytes] = (b"\0", b"")
    unavailable: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def headers(self, name: str) -> list[str | None]:
        """Returns the value of a header in each request; None: it has none."""
        found = [re.search(rf"^{name}: (.*)\r$", head, re.IGNORECASE | re.MULTILINE) for head in self.requests]
        return [match[1] if match else None for match in found]

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return  # closed
            server = socket.create_connection(("127.0.0.1", self.to_port))
            for pump in (self._pass_requests, self._pass_replies):
                threading.Thread(target=pump, args=(client, server), daemon=True).start()

    def _pass_requests(self, client: socket.socket, server: socket.socket) -> None:
        while data := _received(client):
            if REQUEST_LINE.match(data):
                self.requests.append(data.partition(b"\r\n\r\n")[0].decode() + "\r\n")
            with suppress(OSError):
                server.sendall(data)
        _close(client, server)

    def _pass_replies(self, client: socket.socket, server: socket.socket) -> None:
        is_held = False
        while data := _received(server):
            if self.lost_replies:
                self.lost_replies -= 1
                break
            is_held = is_held or (self.holds_streams and b"text/event-stream" in data)
            before, cut, _ = data.partition(self.cut_after) if self.cut_after else (data, b"", b"")
            with suppress(OSError):
                client.sendall(b"" if is_held else (before + cut).replace(*self.replaced))
            if data.startswith(b"HTTP/1.1 503"):
                self.unavailable.set()
            if cut:
                self.cut_after = b""
                break
        _close(client, server)


@contextmanager
def proxy_to(port: int) -> Generator[Proxy]:
    """Runs a proxy until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(listener.getsockname()[1], port)
        thread = threading.Thread(target=proxy.serve, args=(listener,), daemon=True)
        thread.start()
        yield proxy
        listener.shutdown(socket.SHUT_RDWR)  # ends `accept`
        thread.join()


def _received(connection: socket.socket) -> bytes:
    with suppress(OSError):
        return connection.recv(READ)
    return b""


def _close(*connections: socket.socket) -> None:
    for connection in connections:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
        connection.close()
