"""A process that replaces the API and the worker in tests of `up`: `python stand_in.py serve|worker|…`.

Each writes its process id to `<role>.pid` in the data folder when it is ready, and a line to `order` when it stops.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from typing_extensions import override

DATA = Path(os.environ.get("ADSUM_DATA_DIR", "."))


class Ready(BaseHTTPRequestHandler):
    @override
    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()


def serve() -> None:
    server = HTTPServer(("127.0.0.1", int(os.environ["ADSUM_PORT"])), Ready)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stay("serve")
    server.shutdown()


def stay(role: str) -> None:
    sys.stderr.write(f"the {role} stand-in is up\n")
    sys.stderr.flush()
    written = DATA / f".{role}.pid"
    written.write_text(str(os.getpid()))
    written.replace(DATA / f"{role}.pid")
    signal.sigwait({signal.SIGTERM})
    with (DATA / "order").open("a") as order:
        order.write(f"{role}\n")


def main(role: str) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    match role:
        case "serve":
            serve()
        case "stubborn":
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
            stay("stubborn")
            threading.Event().wait()
        case "crash":
            sys.exit("\x1b[1;31mI cannot go on\x1b[0m")
        case "pass":
            pass
        case "endless":
            (DATA / "endless.pid").write_text(str(os.getpid()))
            signal.sigwait({signal.SIGUSR1})
        case _:
            stay(role)


if __name__ == "__main__":
    main(sys.argv[1])
