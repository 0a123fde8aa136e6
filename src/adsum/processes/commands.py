"""`up`, `serve`, `worker` and `migrate`: the commands that run a process, or make ready for one."""

# ruff: noqa: PLC0415 - each command imports what it needs and no more: FastAPI alone costs half a second

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[Path | None, typer.Option(help="Where everything is kept.  [default: ADSUM_DATA_DIR]")]
Host = Annotated[str | None, typer.Option(help="The address to listen on.  [default: ADSUM_HOST]")]
Port = Annotated[int | None, typer.Option(help="The port to listen on.  [default: ADSUM_PORT]")]


def up(
    *,
    data_dir: DataDir = None,
    host: Host = None,
    port: Port = None,
    demo: Annotated[bool, typer.Option(help="Load the demo school into a new data folder.")] = True,
    open_browser: Annotated[bool, typer.Option("--open/--no-open", help="Open a browser's window.")] = True,
) -> None:
    """Start everything in one data folder: Valkey, the database, the API, a worker, the demo school."""
    from adsum.platform.settings import load_settings
    from adsum.processes.up import run_up

    run_up(load_settings(data_dir=data_dir, host=host, port=port), demo=demo, open_browser=open_browser)


def serve(*, host: Host = None, port: Port = None) -> None:
    """Run the HTTP API alone. It needs a secret key and a migrated database."""
    from adsum.platform.settings import load_settings
    from adsum.processes.serve import run_serve

    run_serve(load_settings(host=host, port=port))


def worker(
    *,
    processes: Annotated[
        int | None, typer.Option(help="Workers to keep running.  [default: ADSUM_WORKER_PROCESSES]")
    ] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="Chunks at once in each.  [default: ADSUM_WORKER_CONCURRENCY]")
    ] = None,
) -> None:
    """Run queue workers alone; as many as wanted, on as many machines."""
    from adsum.platform.settings import load_settings
    from adsum.platform.telemetry import configure_logs
    from adsum.processes.worker import run_worker
    from adsum.processes.worker_processes import default_processes, run_workers

    settings = load_settings(worker_concurrency=concurrency, worker_processes=processes)
    configure_logs(settings)
    count = settings.worker_processes or default_processes()
    if count == 1:
        run_worker(settings)
    else:
        run_workers(settings, count)


def migrate(*, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Bring the database to this version's schema. Doing it again changes nothing."""
    import asyncio

    from adsum import wiring
    from adsum.platform.command_line.output import show_one
    from adsum.platform.settings import load_settings
    from adsum.platform.telemetry import configure_logs

    settings = load_settings()
    configure_logs(settings)
    show_one({"revision": asyncio.run(wiring.migrate(settings))}, as_json=as_json)
