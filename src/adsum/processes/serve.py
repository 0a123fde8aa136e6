"""`adsum serve`: the HTTP API, if everything is there that it needs."""

from __future__ import annotations

import asyncio

from adsum import servers, wiring
from adsum.platform.settings import Settings
from adsum.platform.telemetry import configure_logs
from adsum.processes.server import run_server


def run_serve(settings: Settings) -> None:
    """Serves until SIGINT or SIGTERM.

    Raises:
        ConfigurationError: no secret key, a database that lacks migrations, or an address that cannot be listened on.
        StorageOutage: the database does not answer.
    """
    configure_logs(settings)
    servers.require_signing_key(settings)
    asyncio.run(wiring.require_current_schema(settings))
    run_server(settings)
