"""`adsum signing-key`: shows and rotates the keys that sign tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

import typer

from adsum.operations.schemas import SigningKeyItem
from adsum.operations.signing_keys.handover import Rotation, rotate_and_sign
from adsum.platform.clock import system_clock
from adsum.platform.command_line.notices import show_notice
from adsum.platform.command_line.options import duration_up_to
from adsum.platform.command_line.output import Json, show_items
from adsum.platform.database.engine import open_database
from adsum.platform.errors import ConfigurationError
from adsum.platform.origin import ORIGIN, Origin
from adsum.platform.settings import load_settings
from adsum.platform.signing_keys import SigningKey
from adsum.servers import database_url, key_file, key_ring

app = typer.Typer(no_args_is_help=True)

COLUMNS = ("id", "state", "endsAt")
MAX_KEEP = timedelta(days=366)
TOO_LONG = f"an earlier key verifies for at most {MAX_KEEP.days} days"
NOT_SIGNED = (
    "the new key has not signed the audit log: a worker does so before the key before ends; after that, or with "
    "--keep 0s, run adsum audit sign"
)
NOT_RECORDED = "the audit log does not record this: its database does not answer, or is of an older version"


@app.command("list")
def list_keys(*, as_json: Json = False) -> None:
    """Show the ids of the signing keys, never the keys: the one that signs, then those that only verify."""
    now = system_clock()
    ring = key_ring(load_settings())
    ring.require_key()
    _show(ring.keys(), now, as_json=as_json)


@app.command("rotate")
def rotate_key(
    *,
    keep: Annotated[
        timedelta,
        typer.Option(
            parser=duration_up_to(MAX_KEEP, TOO_LONG, minimum=timedelta(0)),
            metavar="DURATION",
            help="How long earlier keys still verify, such as 12h or 30d. 0s: end all tokens now.",
        ),
    ] = "30d",  # pyright: ignore[reportArgumentType] - parsed as the option is
    as_json: Json = False,
) -> None:
    """Replace the signing key in its file. Nobody is signed out, and running processes need no restart.

    Tokens that outlive the overlap end with it: those of `adsum token create --expires`. The new key signs the audit
    log at once, if the database answers. The log records the rotation.
    """
    settings, now = load_settings(), system_clock()
    path = _require_file(key_file(settings))
    rotation = asyncio.run(_rotate(database_url(settings), path, keep, now))
    _show(rotation.keys, now, as_json=as_json)
    if not rotation.is_log_signed:
        show_notice(NOT_SIGNED)
    if not rotation.is_recorded:
        show_notice(NOT_RECORDED)


async def _rotate(url: str, path: Path, keep: timedelta, now: datetime) -> Rotation:
    database = open_database(url)
    token = ORIGIN.set(Origin.of_command())
    try:
        return await rotate_and_sign(database, path, keep, now)
    finally:
        ORIGIN.reset(token)
        await database.close()


def _require_file(path: Path | None) -> Path:
    """The file to rotate. Raises ConfigurationError if the keys are in the environment."""
    if path is None:
        raise ConfigurationError(
            "the signing keys are no file that a command can change: they come from ADSUM_SECRET_KEY, or from the "
            "value of ADSUM_SIGNING_KEYS. Change them there, or name a file in ADSUM_SIGNING_KEYS_FILE"
        )
    return path


def _show(keys: Sequence[SigningKey], now: datetime, *, as_json: bool) -> None:
    items = [
        SigningKeyItem(id=key.id, state=_state(key, now, is_first=number == 0), ends_at=key.ends_at)
        for number, key in enumerate(keys)
    ]
    show_items(COLUMNS, items, as_json=as_json)


def _state(key: SigningKey, now: datetime, *, is_first: bool) -> Literal["signs", "verifies", "ended"]:
    if is_first:
        return "signs"
    return "verifies" if key.ends_at is None or now < key.ends_at else "ended"
