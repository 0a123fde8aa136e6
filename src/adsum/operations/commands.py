"""`adsum queue` and `adsum config`: controls the queue and shows the settings."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import typer
from pydantic import SecretStr

from adsum.accounts.access import Caller, system_caller
from adsum.batches.activity.service import ActivityService
from adsum.batches.queue.control import QueueControl, ShardState
from adsum.operations.schemas import QueueItem, SettingItem, ShardItem
from adsum.platform.command_line.notices import show_notice
from adsum.platform.command_line.output import Json, show_item, show_items
from adsum.platform.command_line.session import run_with_queue
from adsum.platform.errors import Unavailable
from adsum.platform.services import Services
from adsum.platform.setting_files import PREFIX
from adsum.platform.settings import SECRETS, load_settings, origins

queue_app = typer.Typer(no_args_is_help=True)
config_app = typer.Typer(no_args_is_help=True)

MASK = "********"
SHARD_COLUMNS = ("number", "keyPrefix", "paused", "waiting", "active", "workers")
SETTING_COLUMNS = ("name", "value", "origin")
_PASSWORD = re.compile(r"(://[^:@/?]*:).*@")
_QUERY_SECRET = re.compile(r"([?&][^=&]*(?:pass|secret|token|key)[^=&]*=)[^&]*", re.IGNORECASE)


@queue_app.command()
def pause(*, as_json: Json = False) -> None:
    """Pause the queue: workers finish their chunks and take no new ones. Accepted batches wait."""
    _switch(ActivityService.pause, as_json=as_json)


@queue_app.command()
def resume(*, as_json: Json = False) -> None:
    """Resume the queue."""
    _switch(ActivityService.resume, as_json=as_json)


@queue_app.command()
def status(*, as_json: Json = False) -> None:
    """Show whether the queue is paused, the number of messages in each state, and the workers."""
    show_item(run_with_queue(lambda services: _state(services[QueueControl])), as_json=as_json)


@queue_app.command()
def shards(*, as_json: Json = False) -> None:
    """Show the shards of the queue: the prefix of their keys, their messages, the number of their workers."""
    found = run_with_queue(lambda services: services[QueueControl].shards())
    show_items(SHARD_COLUMNS, [_shard_item(each) for each in found], as_json=as_json)


def _shard_item(shard: ShardState) -> ShardItem:
    state = shard.state
    return ShardItem(
        number=shard.number,
        key_prefix=shard.key_prefix,
        paused=state and state.is_paused,
        waiting=state and state.waiting,
        active=state and state.active,
        workers=shard.workers,
    )


def _switch(pause_or_resume: Callable[[ActivityService, Caller], Awaitable[bool]], *, as_json: bool) -> None:
    async def switch(services: Services) -> tuple[QueueItem, bool]:
        is_recorded = await pause_or_resume(services[ActivityService], system_caller())
        return await _state(services[QueueControl]), is_recorded

    item, is_recorded = run_with_queue(switch)
    show_item(item, as_json=as_json)
    if not is_recorded:
        show_notice("the audit log does not record this: its database does not answer, or is of an older version")


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
