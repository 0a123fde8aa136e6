"""`adsum queue`: pause the workers, let them go on, see what waits. It needs Valkey or Redis, and no database."""

from __future__ import annotations

from typing import Any

import typer

from adsum.batches.queue.control import QueueControl
from adsum.platform.command_line.output import Json, show_one
from adsum.platform.command_line.session import with_queue
from adsum.platform.errors import Unavailable

app = typer.Typer(no_args_is_help=True)


@app.command()
def pause(*, as_json: Json = False) -> None:
    """Let all workers finish what they have and take nothing new. Batches are accepted, and wait."""

    async def work(control: QueueControl) -> dict[str, Any]:
        await control.pause()
        return await _row(control)

    show_one(with_queue(work), as_json=as_json)


@app.command()
def resume(*, as_json: Json = False) -> None:
    """Let the workers go on."""

    async def work(control: QueueControl) -> dict[str, Any]:
        await control.resume()
        return await _row(control)

    show_one(with_queue(work), as_json=as_json)


@app.command()
def status(*, as_json: Json = False) -> None:
    """Show whether the queue is paused, how many messages are where, and who works."""
    show_one(with_queue(_row), as_json=as_json)


async def _row(control: QueueControl) -> dict[str, Any]:
    state = await control.state()
    return {
        "paused": state.is_paused,
        "waiting": state.waiting,
        "active": state.active,
        "delayed": state.delayed,
        "failed": state.failed,
        "workers": await _workers(control),
    }


async def _workers(control: QueueControl) -> list[str] | None:
    """None where the server's owner does not allow CLIENT LIST: what was to be done is done all the same."""
    try:
        return [worker.name for worker in await control.workers() if worker.is_alive]
    except Unavailable:
        return None
