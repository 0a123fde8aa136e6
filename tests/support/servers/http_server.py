"""An HTTP server on loopback, in a thread: no event loop runs beside Playwright."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from typing_extensions import override


@dataclass(frozen=True)
class Request:
    """A request that has arrived. `target`: path and query."""

    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """The answer. `cut`: only half of the content is sent."""

    status: int
    content: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    cut: bool = False


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, answer: Callable[[Request], Reply], *arguments: Any) -> None:
        self._answer = answer
        super().__init__(*arguments)

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        reply = self._answer(Request(self.path, dict(self.headers.items()), body))
        try:
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(reply.content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.content[: len(reply.content) // 2] if reply.cut else reply.content)
        except ConnectionError:
            return  # the client has read enough, or waited enough

    def do_POST(self) -> None:
        self.do_GET()

    @override
    def log_message(self, format: str, *args: Any) -> None:
        return


@contextmanager
def answering(answer: Callable[[Request], Reply]) -> Generator[str]:
    """Answers GET and POST on a free port until the end of the block. Yields the address, without a path."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, answer))
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.05))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
