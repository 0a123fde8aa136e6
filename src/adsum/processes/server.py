"""uvicorn, for one process: it ends on SIGINT and SIGTERM when the requests that it has are answered."""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Callable, Generator

import uvicorn
from typing_extensions import override

from adsum.app import create_app, end_streams
from adsum.platform.errors import ConfigurationError
from adsum.platform.gc_tuning import keep_what_is_there
from adsum.platform.settings import Settings
from adsum.platform.telemetry import logger

# A request that takes longer than this when the process is to end is cut off.
DRAIN_S = 10
BACKLOG = 2048

log = logger(__name__)


class Server(uvicorn.Server):
    """Ends with status 0 on a signal: to be told to stop is no failure.

    Args:
        config: of uvicorn.
        end_streams: called when the process is to end, since a stream ends when its batch does, not before.
    """

    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, which waits for requests to be answered."""
        self._end_streams()
        await super().shutdown(sockets)

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """As uvicorn's, but the signal is not raised again at the end, which would kill the process."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def run_server(settings: Settings) -> None:
    """Serves until a signal, whose first lets requests finish; a second SIGINT ends at once.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """
    listener = _listen(settings.host, settings.port)
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        loop="auto",
        http="httptools",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # Whom to believe about the address and the scheme that a browser has come with.
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=DRAIN_S,
    )
    keep_what_is_there()
    host, port = listener.getsockname()[:2]
    with listener:
        log.info("listening", host=host, port=port)
        Server(config, lambda: end_streams(app)).run(sockets=[listener])
        log.info("stopped")


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        why = str(error.strerror or error).partition(" (")[0]
        raise ConfigurationError(f"cannot listen on {host} port {port}: {why}") from None
