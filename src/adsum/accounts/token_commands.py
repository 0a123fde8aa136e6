"""`adsum token`: bearer tokens."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

import typer

from adsum.platform.command_line.output import Json, show_one
from adsum.platform.command_line.session import with_adsum

app = typer.Typer(no_args_is_help=True)

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
LONGEST = timedelta(days=366)


def _duration(text: str) -> timedelta:
    match = re.fullmatch(r"([1-9][0-9]{0,8})([smhd])", text)
    if match is None:
        raise typer.BadParameter(f"{text!r} is no duration such as 30m, 12h or 7d")
    duration = timedelta(**{UNITS[match[2]]: int(match[1])})
    if duration > LONGEST:
        raise typer.BadParameter(f"a token lasts at most {LONGEST.days} days; for longer, make an API key")
    return duration


@app.callback()
def tokens() -> None:
    """Bearer tokens."""


@app.command()
def create(
    email: Annotated[str, typer.Argument(metavar="EMAIL")],
    *,
    expires: Annotated[
        timedelta | None, typer.Option(parser=_duration, metavar="DURATION", help="Such as 30m, 12h or 7d.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print a token of this user, and nothing else: TOKEN=$(adsum token create admin@school.example)."""
    token = with_adsum(lambda adsum: adsum.tokens.create(email, expires))
    if as_json:
        show_one({"accessToken": token.text, "tokenType": "bearer", "expiresIn": token.expires_in}, as_json=True)
    else:
        typer.echo(token.text)
