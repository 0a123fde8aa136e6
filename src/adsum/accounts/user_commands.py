"""`adsum user`: people who may sign in."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from adsum.accounts.access import Role
from adsum.accounts.service import ROLES, User
from adsum.platform.command_line.options import one_of
from adsum.platform.command_line.output import Json, show_one, show_rows
from adsum.platform.command_line.session import with_adsum

app = typer.Typer(no_args_is_help=True)

COLUMNS = ("email", "role", "schoolId", "sourcedId", "disabled")
Email = Annotated[str, typer.Argument(metavar="EMAIL")]


@app.command()
def add(
    email: Email,
    *,
    role: Annotated[Role, typer.Option(parser=one_of(ROLES), metavar="|".join(ROLES))],
    school: Annotated[int | None, typer.Option(help="Our id of the school; needed where there are several.")] = None,
    teacher: Annotated[
        str | None, typer.Option(metavar="SOURCEDID", help="The teacher of the roster who gets this login.")
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from stdin; else one is generated and shown.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Add somebody who may sign in."""
    password = _read_line() if password_stdin else None
    login = with_adsum(
        lambda adsum: adsum.accounts.add_user(email, role, school_id=school, teacher=teacher, password=password)
    )
    shown = {} if password_stdin else {"password": login.password}
    show_one(_row(login.user) | shown, as_json=as_json)


@app.command("list")
def list_users(*, as_json: Json = False) -> None:
    """Show everyone who may sign in."""
    users = with_adsum(lambda adsum: adsum.accounts.list_users())
    show_rows(COLUMNS, [_row(user) for user in users], as_json=as_json)


@app.command()
def password(
    email: Email,
    *,
    generate: Annotated[bool, typer.Option("--generate", help="Make a password and show it.")] = False,
    as_json: Json = False,
) -> None:
    """Set a new password, asked for at a terminal, else read from stdin. It ends all tokens of the user."""
    new = None if generate else _asked()
    login = with_adsum(lambda adsum: adsum.accounts.set_password(email, new))
    shown = {"password": login.password} if generate else {}
    show_one(_row(login.user) | shown, as_json=as_json)


@app.command()
def disable(email: Email, *, as_json: Json = False) -> None:
    """Let somebody sign in no more; all their tokens end at once."""
    show_one(_row(with_adsum(lambda adsum: adsum.accounts.disable(email))), as_json=as_json)


@app.command()
def enable(email: Email, *, as_json: Json = False) -> None:
    """Let somebody sign in again. Tokens from before stay ended."""
    show_one(_row(with_adsum(lambda adsum: adsum.accounts.enable(email))), as_json=as_json)


def _row(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "email": user.email,
        "role": user.role.value,
        "schoolId": user.school_id,
        "sourcedId": user.source_id,
        "disabled": user.disabled,
    }


def _asked() -> str:
    if not sys.stdin.isatty():
        return _read_line()
    answer: str = typer.prompt("New password", hide_input=True, confirmation_prompt=True, err=True)
    return answer


def _read_line() -> str:
    return sys.stdin.readline().rstrip("\r\n")
