"""Options that many commands share: class, session, student, days, status."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from adsum.platform.days import WrongDay, plain_day
from adsum.platform.ids import MAX_ID


def read_day(text: str) -> date:
    """Reads an option that is a plain day. Raises `typer.BadParameter`."""
    try:
        return plain_day(text)
    except WrongDay as error:
        raise typer.BadParameter(str(error)) from None


ClassId = Annotated[int | None, typer.Option("--class", min=1, max=MAX_ID, metavar="ID")]
SessionId = Annotated[int | None, typer.Option("--session", min=1, max=MAX_ID, metavar="ID")]
StudentId = Annotated[int | None, typer.Option("--student", min=1, max=MAX_ID, metavar="ID")]
FirstDay = Annotated[date | None, typer.Option("--from", parser=read_day, metavar="DATE", help="First learning date.")]
LastDay = Annotated[date | None, typer.Option("--to", parser=read_day, metavar="DATE", help="Last learning date.")]
Status = Annotated[str | None, typer.Option(metavar="CODE", help="A status of the school: see `adsum status list`.")]
