"""`adsum token`: bearer tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from adsum.accounts.schemas import TokenItem
from adsum.accounts.sign_ins.tokens import Tokens
from adsum.platform.command_line.options import duration_up_to
from adsum.platform.command_line.output import Json, show_item, show_text
from adsum.platform.command_line.session import run_with

token_app = typer.Typer(no_args_is_help=True)


MAX_LIFETIME = timedelta(days=366)
TOO_LONG = f"a token lasts at most {MAX_LIFETIME.days} days; for longer use, create an API key"
Email = Annotated[str, typer.Argument(metavar="EMAIL")]


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
        show_text(token.text)
