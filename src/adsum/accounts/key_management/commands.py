"""`adsum key`: API keys of programs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any

import typer

from adsum.accounts.access import Permission
from adsum.accounts.api_keys.rules import MAX_LIFETIME, MAX_OVERLAP, KeyChanges, NewKey
from adsum.accounts.api_keys.service import ApiKeys
from adsum.accounts.key_management.schemas import KeyItem, KeyWithSecret, SecretItem
from adsum.platform.clock import system_clock
from adsum.platform.command_line.options import SchoolId, duration_up_to, naming_options, one_of
from adsum.platform.command_line.output import Json, show_one, show_rows
from adsum.platform.command_line.session import run_with
from adsum.platform.ids import MAX_ID

app = typer.Typer(no_args_is_help=True)

COLUMNS = ("id", "name", "state", "permissions", "schools", "owner", "expiresAt", "lastUsedAt", "warnings")
DROPPED_FIRST = ("lastUsedAt", "owner", "schools", "expiresAt", "permissions")
OPTIONS = {"/owner": "--owner"}
NEVER = "never"
ANY = "any"
TOO_LONG = f"earlier secrets work for at most {MAX_OVERLAP.days} days"
KeyId = Annotated[int, typer.Argument(metavar="ID", min=1, max=MAX_ID)]


_lifetime = duration_up_to(MAX_LIFETIME, f"a key lasts at most {MAX_LIFETIME.days} days")
Owner = Annotated[str | None, typer.Option(metavar="EMAIL", help="The user who is responsible for the key.")]
Network = Annotated[
    list[str] | None,
    typer.Option(metavar="CIDR", help="An address or a network from which the key may be used. Repeatable."),
]


@app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name that identifies the key.")],
    *,
    permission: Annotated[
        list[Permission],
        typer.Option(parser=one_of(Permission), metavar="|".join(Permission), help="Repeatable."),
    ],
    school: Annotated[
        list[int] | None,
        typer.Option(metavar="ID", min=1, max=MAX_ID, help="Repeatable.  [default: every school]"),
    ] = None,
    owner: Owner = None,
    expires: Annotated[
        timedelta | None,
        typer.Option(
            parser=_lifetime,
            metavar="DURATION",
            help="The time until it expires, such as 90d.  [default: ADSUM_KEY_MAX_DAYS, else never]",
        ),
    ] = None,
    network: Network = None,
    as_json: Json = False,
) -> None:
    """Create an API key. Its secret, for the header X-API-Key, is shown only once."""
    expires_at = None if expires is None else system_clock() + expires
    with naming_options(OPTIONS):
        _show_secret(
            lambda api_keys: api_keys.create(
                name, permission, school or None, owner=owner, expires_at=expires_at, networks=network or None
            ),
            as_json=as_json,
        )


@app.command("list")
def list_keys(*, school_id: SchoolId = None, as_json: Json = False) -> None:
    """Show keys, including revoked ones, without their secrets."""

    async def listed(api_keys: ApiKeys) -> list[KeyItem]:
        return [KeyItem.of(key, api_keys.status_of(key)) for key in await api_keys.list_keys(school_id=school_id)]

    rows = [_row(item, as_json=as_json) for item in run_with(ApiKeys, listed)]
    show_rows(COLUMNS, rows, as_json=as_json, dropped_first=DROPPED_FIRST)


@app.command("show")
def show_key(key_id: KeyId, *, as_json: Json = False) -> None:
    """Show a key, its secrets that work, and when each was last used."""

    async def shown(api_keys: ApiKeys) -> KeyItem:
        key = await api_keys.get(key_id)
        return KeyItem.of(key, api_keys.status_of(key))

    show_one(_row(run_with(ApiKeys, shown), as_json=as_json), as_json=as_json)


@app.command("change")
def change_key(
    key_id: KeyId,
    *,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Another name.")] = None,
    owner: Owner = None,
    expires: Annotated[
        str | None, typer.Option(metavar="DURATION", help="The time from now until it expires, or `never`.")
    ] = None,
    network: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CIDR", help="An address or a network from which the key may be used, or `any`. Repeatable."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Change the name, the owner, the expiry or the networks of a key."""
    changes = KeyChanges()
    if name is not None:
        changes["name"] = name
    if owner is not None:
        changes["owner"] = owner
    if expires is not None:
        changes["expires_at"] = None if expires == NEVER else system_clock() + _lifetime(expires)
    if network:
        changes["networks"] = None if network == [ANY] else network

    async def changed(api_keys: ApiKeys) -> KeyItem:
        key = await api_keys.change(key_id, changes)
        return KeyItem.of(key, api_keys.status_of(key))

    with naming_options(OPTIONS):
        item = run_with(ApiKeys, changed)
    show_one(_row(item, as_json=as_json), as_json=as_json)


@app.command("rotate")
def rotate_key(
    key_id: KeyId,
    *,
    overlap: Annotated[
        timedelta,
        typer.Option(
            parser=duration_up_to(MAX_OVERLAP, TOO_LONG, timedelta(0)),
            metavar="DURATION",
            help="How long earlier secrets still work, such as 7d. 0s: they end now.",
        ),
    ] = "1d",  # pyright: ignore[reportArgumentType] - Typer parses the default
    as_json: Json = False,
) -> None:
    """Give a key a new secret, which is shown only once. Earlier secrets work until the overlap ends."""
    _show_secret(lambda api_keys: api_keys.rotate(key_id, overlap), as_json=as_json)


@app.command("revoke")
def revoke_key(key_id: KeyId, *, as_json: Json = False) -> None:
    """Revoke an API key permanently, with all of its secrets.

    The webhooks to which it has given a URL stop: see `adsum webhook list`.
    """
    run_with(ApiKeys, lambda api_keys: api_keys.revoke(key_id))
    show_one({"id": key_id, "revoked": True}, as_json=as_json)


def _show_secret(make: Callable[[ApiKeys], Awaitable[NewKey]], *, as_json: bool) -> None:
    async def made(api_keys: ApiKeys) -> KeyWithSecret:
        new = await make(api_keys)
        return KeyWithSecret.showing(new.key, api_keys.status_of(new.key), new.secret)

    show_one(_row(run_with(ApiKeys, made), as_json=as_json), as_json=as_json)


def _row(item: KeyItem, *, as_json: bool) -> dict[str, Any]:
    row = item.model_dump(mode="json" if as_json else "python", by_alias=True)
    if as_json:
        return row
    row["secrets"] = [_secret(each) for each in item.secrets]
    row["expiresAt"] = row["expiresAt"] or NEVER
    row["owner"] = item.owner or ("erased user" if item.owner_id else None)
    return row | {"schools": row["schools"] or "every school", "networks": row["networks"] or ANY}


def _secret(item: SecretItem) -> str:
    until = "present" if item.ends_at is None else f"until {item.ends_at:%Y-%m-%dT%H:%MZ}"
    used = "not used" if item.last_used_at is None else f"used {item.last_used_at:%Y-%m-%dT%H:%MZ}"
    return f"{until} ({used})"
