"""`adsum key`: API keys of programs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from adsum.accounts.access import Permission
from adsum.accounts.api_keys import ApiKey
from adsum.platform.command_line.options import one_of
from adsum.platform.command_line.output import Json, show_one, show_rows
from adsum.platform.command_line.session import with_adsum
from adsum.platform.ids import MAX_ID

app = typer.Typer(no_args_is_help=True)

COLUMNS = ("id", "name", "permissions", "schools", "createdAt", "revokedAt")


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="For people, so that they know which one to revoke.")],
    *,
    permission: Annotated[
        list[Permission],
        typer.Option(parser=one_of(Permission), metavar="|".join(Permission), help="Again for each permission."),
    ],
    school: Annotated[
        list[int] | None,
        typer.Option(metavar="ID", min=1, max=MAX_ID, help="Again for each school.  [default: every school]"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a key. Its secret, sent as X-API-Key, is shown now and never again."""
    made = with_adsum(lambda adsum: adsum.api_keys.create(name, permission, school or None))
    show_one(_row(made.key, as_json=as_json) | {"secret": made.secret}, as_json=as_json)


@app.command("list")
def list_keys(*, as_json: Json = False) -> None:
    """Show all keys, without their secrets, revoked ones too."""
    keys = with_adsum(lambda adsum: adsum.api_keys.list_keys())
    show_rows(COLUMNS, [_row(key, as_json=as_json) for key in keys], as_json=as_json, dispensable=("createdAt",))


@app.command()
def revoke(key_id: Annotated[int, typer.Argument(metavar="ID", min=1, max=MAX_ID)], *, as_json: Json = False) -> None:
    """End a key at once and for ever."""
    with_adsum(lambda adsum: adsum.api_keys.revoke(key_id))
    show_one({"id": key_id, "revoked": True}, as_json=as_json)


def _row(key: ApiKey, *, as_json: bool) -> dict[str, Any]:
    every_school = None if as_json else "every school"
    return {
        "id": key.id,
        "name": key.name,
        "permissions": [permission.value for permission in key.permissions],
        "schools": every_school if key.schools is None else list(key.schools),
        "createdAt": key.created_at,
        "revokedAt": key.revoked_at,
    }
