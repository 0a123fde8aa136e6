"""`adsum serve`: the HTTP API, in uvicorn. SIGINT and SIGTERM stop it after the running requests are answered."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import signal
import socket
from collections.abc import Callable, Generator, Mapping
from functools import partial

import uvicorn
from typing_extensions import override

from adsum import servers, wiring
from adsum.accounts.single_sign_on.provider import preload
from adsum.app import create_app, end_streams
from adsum.platform.errors import ConfigurationError
from adsum.platform.gc_tuning import collect_regularly, freeze_startup_objects
from adsum.platform.http.middleware import security_headers
from adsum.platform.redis.connection import refuse_wrong_server
from adsum.platform.settings import Settings
from adsum.platform.telemetry import configure_logs, logger
from adsum.processes.limited_http import ConnectionLimits, Connections, LimitedHttp
from adsum.processes.proxies import behind_proxies

# When the process stops, a request that takes longer than this is cut off.
DRAIN_S = 10
# Connections to servers, files of the database and of uploads.
OTHER_FILES = 500
BACKLOG = 2048

log = logger(__name__)


def run_serve(settings: Settings) -> None:
    """Serves until SIGINT or SIGTERM.

    Raises:
        ConfigurationError: no secret key, a database that lacks migrations, one server of a cluster as Redis, settings
            with which nobody could sign in, or an address that is not available.
        StorageOutage: the database does not answer.
    """
    configure_logs(settings)
    servers.key_ring(settings).require_key()
    asyncio.run(wiring.require_current_schema(settings))
    asyncio.run(refuse_wrong_server(servers.redis_url(settings), settings.key_prefix))
    asyncio.run(wiring.require_possible_sign_in(settings))
    run_server(settings)


class Server(uvicorn.Server):
    """A uvicorn server that exits with status 0 after a signal.

    Args:
        config: the configuration of uvicorn.
        end_streams: ends all event streams. It is called on shutdown, since a stream otherwise lasts until its batch
            ends.
    """

    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams
        self._collection: asyncio.Task[None] | None = None

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts as uvicorn does, and collects garbage when that does not stop requests for long."""
        await super().startup(sockets)
        self._collection = asyncio.create_task(collect_regularly())

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends the event streams, then waits for the running requests as uvicorn does."""
        self._end_streams()
        await super().shutdown(sockets)
        if self._collection is not None:
            self._collection.cancel()

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Handles signals as uvicorn does, but does not raise them again at the end, which would kill the process."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def run_server(settings: Settings) -> None:
    """Serves until a signal. The first one lets running requests finish; a second SIGINT stops at once.

    Raises:
        ConfigurationError: the address is not available.
    """
    allow_open_files(settings.max_connections + OTHER_FILES)
    listener = _listen(settings.host, settings.port)
    app = create_app(settings)
    if settings.oidc_providers:
        preload()
    config = uvicorn.Config(
        behind_proxies(app, settings.trusted_proxies),  # pyright: ignore[reportArgumentType]
        loop="auto",
        http=partial(LimitedHttp, Connections(limits_of(settings), headers_of_refusals(settings))),  # pyright: ignore[reportArgumentType]
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=DRAIN_S,
    )
    freeze_startup_objects()
    host, port = listener.getsockname()[:2]
    with listener:
        log.info("listening", host=host, port=port)
        Server(config, lambda: end_streams(app)).run(sockets=[listener])
        log.info("stopped")


def allow_open_files(count: int) -> None:
    """Raises the number of files and connections that the process may have open to `count`, or as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= count:
        return
    allowed = count if hard == resource.RLIM_INFINITY else min(count, hard)
    with contextlib.suppress(OSError, ValueError):  # macOS may allow fewer than the hard limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < count:
        log.warning("too few open files for ADSUM_MAX_CONNECTIONS", allowed=allowed, needed=count)


def limits_of(settings: Settings) -> ConnectionLimits:
    """The limits of the settings."""
    return ConnectionLimits(settings.max_connections, settings.max_connections_per_address, settings.trusted_proxies)


def headers_of_refusals(settings: Settings) -> Mapping[str, str]:
    """The security headers of answers to connections whose requests are not read, so that their scheme is unknown."""
    is_https = settings.public_url is not None and settings.public_url.startswith("https:")
    return security_headers(is_https=is_https, covers_subdomains=settings.hsts_subdomains)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        why = str(error.strerror or error).partition(" (")[0]
        raise ConfigurationError(f"cannot listen on {host} port {port}: {why}") from None
