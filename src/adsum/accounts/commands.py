"""`adsum user` and `adsum token`: users who can sign in, bearer tokens."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Annotated

import typer

from adsum.accounts.access import Role, system_caller
from adsum.accounts.schemas import SignInItem, TokenItem, UserItem
from adsum.accounts.second_factors.service import SecondFactors
from adsum.accounts.service import ROLES, Accounts, User
from adsum.accounts.sign_ins.tokens import Tokens
from adsum.platform.command_line.options import duration_up_to, one_of
from adsum.platform.command_line.output import Json, show_item, show_items, show_one
from adsum.platform.command_line.session import run_with
from adsum.platform.ids import MAX_ID

user_app = typer.Typer(no_args_is_help=True)
token_app = typer.Typer(no_args_is_help=True)

USER_COLUMNS = ("email", "role", "schoolId", "sourcedId", "disabled", "hasFirstPassword")
SIGN_IN_COLUMNS = ("id", "kind", "agent", "createdAt", "lastUsedAt", "endsAt")
MAX_LIFETIME = timedelta(days=366)
TOO_LONG = f"a token lasts at most {MAX_LIFETIME.days} days; for longer use, create an API key"
Email = Annotated[str, typer.Argument(metavar="EMAIL")]


@user_app.command("add")
def add_user(
    email: Email,
    *,
    role: Annotated[Role, typer.Option(parser=one_of(ROLES), metavar="|".join(ROLES))],
    school: Annotated[int | None, typer.Option(help="The id of the school; required if there are several.")] = None,
    teacher: Annotated[
        str | None,
        typer.Option(metavar="SOURCEDID", help="The source id of the teacher of the roster who gets this login."),
    ] = None,
    password_stdin: Annotated[
        bool,
        typer.Option(
            "--password-stdin",
            help="Read the password from stdin.  [default: generate one that works once, and show it]",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Add a user who can sign in."""
    password = _read_line() if password_stdin else None
    login = run_with(
        Accounts,
        lambda accounts: accounts.add_user(email, role, school_id=school, teacher=teacher, password=password),
    )
    _show_user(login.user, None if password_stdin else login.password, as_json=as_json)


@user_app.command("list")
def list_users(*, as_json: Json = False) -> None:
    """Show all users who can sign in."""
    users = run_with(Accounts, lambda accounts: accounts.list_users())
    show_items(USER_COLUMNS, [UserItem.model_validate(user) for user in users], as_json=as_json)


@user_app.command("password")
def set_password(
    email: Email,
    *,
    generate: Annotated[
        bool, typer.Option("--generate", help="Generate a password that works once, and show it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Set a new password, from a prompt or from stdin. It ends all tokens of the user."""
    password = None if generate else _prompt_password()
    login = run_with(Accounts, lambda accounts: accounts.set_password(email, password))
    _show_user(login.user, login.password if generate else None, as_json=as_json)


@user_app.command("disable")
def disable_user(email: Email, *, as_json: Json = False) -> None:
    """Disable a user, and end all their tokens at once."""
    _show_user(run_with(Accounts, lambda accounts: accounts.disable(email)), as_json=as_json)


@user_app.command("enable")
def enable_user(email: Email, *, as_json: Json = False) -> None:
    """Enable a disabled user. Earlier tokens stay ended."""
    _show_user(run_with(Accounts, lambda accounts: accounts.enable(email)), as_json=as_json)


@user_app.command("unlock")
def unlock_user(email: Email, *, as_json: Json = False) -> None:
    """Clear the wrong passwords that were counted for a user. Those of an address stay counted."""
    _show_user(run_with(Accounts, lambda accounts: accounts.unlock(email)), as_json=as_json)


@user_app.command("reset-factors")
def reset_factors(email: Email, *, as_json: Json = False) -> None:
    """Remove the second factors of a user who has lost them, and end their sign-ins."""
    had_any = run_with(SecondFactors, lambda factors: factors.reset(email, system_caller()))
    show_one({"email": email, "hadSecondFactor": had_any}, as_json=as_json)


@user_app.command("sign-ins")
def list_sign_ins(email: Email, *, as_json: Json = False) -> None:
    """Show where a user is signed in, with browsers, programs and tokens."""
    found = run_with(Tokens, lambda tokens: tokens.sign_ins_of_email(email))
    show_items(SIGN_IN_COLUMNS, [SignInItem.model_validate(each) for each in found], as_json=as_json)


@user_app.command("sign-out")
def sign_out_user(
    email: Email,
    *,
    sign_in: Annotated[
        int | None, typer.Option("--sign-in", metavar="ID", min=1, max=MAX_ID, help="Only this one.  [default: all]")
    ] = None,
    as_json: Json = False,
) -> None:
    """End the sign-ins of a user. Their tokens are refused from then on."""
    run_with(Tokens, lambda tokens: tokens.end_of_email(email, sign_in))
    show_one({"email": email, "signedOut": True}, as_json=as_json)


@token_app.callback()
def tokens() -> None:
    """Bearer tokens."""


@token_app.command("create")
def create_token(
    email: Email,
    *,
    expires: Annotated[
        timedelta | None,
        typer.Option(
            parser=duration_up_to(MAX_LIFETIME, TOO_LONG),
            metavar="DURATION",
            help="The lifetime, such as 30m, 12h or 7d.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print a token of this user: TOKEN=$(adsum token create admin@school.example)."""
    token = run_with(Tokens, lambda tokens: tokens.create(email, expires))
    if as_json:
        show_item(TokenItem(access_token=token.text, expires_in=token.expires_in), as_json=True)
    else:
        typer.echo(token.text)


def _show_user(user: User, password: str | None = None, *, as_json: bool) -> None:
    row = UserItem.model_validate(user).model_dump(mode="json" if as_json else "python", by_alias=True)
    show_one(row if password is None else row | {"password": password}, as_json=as_json)


def _prompt_password() -> str:
    if not sys.stdin.isatty():
        return _read_line()
    password: str = typer.prompt("New password", hide_input=True, confirmation_prompt=True, err=True)
    return password


def _read_line() -> str:
    return sys.stdin.readline().rstrip("\r\n")
