"""Options that say which records: class, session, student, days, status."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from adsum.domain.days import WrongDay, plain_day
from adsum.domain.filters import RecordFilters
from adsum.domain.ids import MAX_ID


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


def read_filters(
    class_id: int | None,
    session_id: int | None,
    student_id: int | None,
    first_day: date | None,
    last_day: date | None,
    status: str | None,
) -> RecordFilters:
    """The filters that options name. Raises `typer.BadParameter`: the days are reversed."""
    if first_day is not None and last_day is not None and last_day < first_day:
        raise typer.BadParameter(f"{last_day} is before {first_day}", param_hint="--to")
    return RecordFilters(class_id, session_id, student_id, first_day, last_day, status)
