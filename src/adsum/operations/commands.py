"""`adsum queue` and `adsum config`: controls the queue and shows the settings."""

from __future__ import annotations

import re
from typing import Any

import typer
from pydantic import SecretStr

from adsum.batches.queue.control import QueueControl
from adsum.operations.schemas import QueueItem, SettingItem
from adsum.platform.command_line.output import Json, show_item, show_items
from adsum.platform.command_line.session import run_with_queue
from adsum.platform.errors import Unavailable
from adsum.platform.settings import PREFIX, SECRETS, load_settings, origins

queue_app = typer.Typer(no_args_is_help=True)
config_app = typer.Typer(no_args_is_help=True)

MASK = "********"
SETTING_COLUMNS = ("name", "value", "origin")
_PASSWORD = re.compile(r"(://[^:@/?]*:).*@")
_QUERY_SECRET = re.compile(r"([?&][^=&]*(?:pass|secret|token|key)[^=&]*=)[^&]*", re.IGNORECASE)


@queue_app.command()
def pause(*, as_json: Json = False) -> None:
    """Pause the queue: workers finish their chunks and take no new ones. Accepted batches wait."""

    async def pause_queue(control: QueueControl) -> QueueItem:
        await control.pause()
        return await _state(control)

    show_item(run_with_queue(QueueControl, pause_queue), as_json=as_json)


@queue_app.command()
def resume(*, as_json: Json = False) -> None:
    """Resume the queue."""

    async def resume_queue(control: QueueControl) -> QueueItem:
        await control.resume()
        return await _state(control)

    show_item(run_with_queue(QueueControl, resume_queue), as_json=as_json)


@queue_app.command()
def status(*, as_json: Json = False) -> None:
    """Show whether the queue is paused, the number of messages in each state, and the workers."""
    show_item(run_with_queue(QueueControl, _state), as_json=as_json)


async def _state(control: QueueControl) -> QueueItem:
    state = await control.state()
    return QueueItem(
        paused=state.is_paused,
        waiting=state.waiting,
        active=state.active,
        delayed=state.delayed,
        failed=state.failed,
        workers=await _workers(control),
    )


async def _workers(control: QueueControl) -> list[str] | None:
    """The names of the workers; None if the server forbids CLIENT LIST, which must not fail the command."""
    try:
        return [worker.name for worker in await control.workers() if worker.is_alive]
    except Unavailable:
        return None


@config_app.callback()
def config() -> None:
    """Settings and their origins."""


@config_app.command()
def show(*, as_json: Json = False) -> None:
    """Show every setting. An unset URL means the servers of the data folder."""
    settings = load_settings()
    items = [
        SettingItem(name=f"{PREFIX}{name.upper()}", value=_masked(name, getattr(settings, name)), origin=origin)
        for name, origin in origins(settings).items()
    ]
    show_items(SETTING_COLUMNS, items, as_json=as_json)


def _masked(name: str, value: Any) -> Any:
    if isinstance(value, SecretStr):
        return MASK
    if name in SECRETS and value is not None:
        return masked_url(str(value))
    return value


def masked_url(url: str) -> str:
    """The URL without its password. Masks too much rather than too little."""
    return _QUERY_SECRET.sub(rf"\1{MASK}", _PASSWORD.sub(rf"\1{MASK}@", url))
