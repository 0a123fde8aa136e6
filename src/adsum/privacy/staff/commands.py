"""`adsum user erase` and `adsum user readmit`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from adsum.accounts.access import system_caller
from adsum.accounts.api_keys.ownership import KeyChoice
from adsum.platform.command_line.notices import show_notice
from adsum.platform.command_line.options import school_option
from adsum.platform.command_line.output import Json, show_item, show_one
from adsum.platform.command_line.session import run_with
from adsum.platform.ids import MAX_ID
from adsum.privacy.staff.schemas import ErasedUserAnswer, ErasurePreviewAnswer
from adsum.privacy.staff.service import StaffErasure


def erase(
    who: Annotated[str, typer.Argument(metavar="EMAIL|ID", help="The email or the id of the user.")],
    *,
    new_owner: Annotated[
        str | None, typer.Option("--new-owner", metavar="EMAIL", help="Who gets the API keys that the user owns.")
    ] = None,
    revoke_keys: Annotated[bool, typer.Option("--revoke-keys", help="Revoke the API keys that the user owns.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Skip the confirmation.")] = False,
    as_json: Json = False,
) -> None:
    """Erase a member of staff: name, email and login go; marks, notes and audit entries stay, with an anonymous author.

    Without --yes it shows what would go. On a terminal it then asks; elsewhere nothing is erased.
    """
    user = _id_or_email(who)
    if not yes:
        preview = run_with(StaffErasure, lambda staff: staff.preview(user, system_caller()))
        _show(ErasurePreviewAnswer.of(preview), as_json=as_json)
        if as_json or not sys.stdin.isatty():
            show_notice("nothing was erased: add --yes to erase this user")
            return
        if not typer.confirm(f"Erase user {preview.person.id} permanently?", err=True):
            raise typer.Exit(1)
    choice = KeyChoice(revoke_keys, new_owner)
    erased = run_with(StaffErasure, lambda staff: staff.erase(user, system_caller(), choice))
    show_item(ErasedUserAnswer.model_validate(erased), as_json=as_json)


def readmit(
    sourced_id: Annotated[str, typer.Argument(metavar="SOURCED_ID", help="The id of the user in the roster.")],
    *,
    school_id: Annotated[int, school_option("The school of the user.")],
) -> None:
    """Let rosters add an erased user again, as a new user without a login."""
    run_with(StaffErasure, lambda staff: staff.readmit(school_id, sourced_id, system_caller()))
    show_notice(f"later rosters of school {school_id} add the user again")


def _id_or_email(who: str) -> int | str:
    if not who.isascii() or not who.isdecimal():
        return who
    if len(who) > len(str(MAX_ID)) or not 1 <= int(who) <= MAX_ID:
        raise typer.BadParameter(f"{who[:40]} is not an id", param_hint="EMAIL|ID")
    return int(who)


def _show(preview: ErasurePreviewAnswer, *, as_json: bool) -> None:
    """Prints the preview; for people on one level."""
    if as_json:
        show_item(preview, as_json=True)
        return
    row = preview.model_dump(by_alias=True)
    user = row.pop("user")
    keys = [f"{key['id']} ({key['name']})" for key in row.pop("apiKeys")]
    show_one({**user, **row, "apiKeys": keys}, as_json=False)
