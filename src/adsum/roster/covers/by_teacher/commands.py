"""`adsum cover needed`: the sessions of a teacher who is away."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.options import read_day, teacher_option
from adsum.platform.command_line.output import Json, show_item, show_rows
from adsum.platform.command_line.session import run_with
from adsum.roster.covers.by_teacher.rules import AwayPlan
from adsum.roster.covers.by_teacher.schemas import CoverNeeds
from adsum.roster.covers.by_teacher.service import TeachersAway

COLUMNS = ("date", "times", "classId", "class", "sessionId", "coveredBy", "free")


def needed(
    *,
    teacher_id: Annotated[int, teacher_option("The id of the user who is away.")],
    first_day: Annotated[date, typer.Option("--from", parser=read_day, metavar="DATE", help="The first day.")],
    last_day: Annotated[
        date | None, typer.Option("--to", parser=read_day, metavar="DATE", help="The last day. [default: the first]")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the sessions of a teacher who is away, and the ids of the teachers who are free in each."""
    plan = run_with(
        TeachersAway, lambda teachers: teachers.plan(teacher_id, first_day, last_day or first_day, system_caller())
    )
    if as_json:
        show_item(CoverNeeds.of(plan), as_json=True)
    else:
        show_rows(COLUMNS, _rows(plan), as_json=False, none="no sessions on these days")


def _rows(plan: AwayPlan) -> list[dict[str, object]]:
    return [
        {
            "date": need.day,
            "times": [f"{begins}-{ends}" for begins, ends in need.held.times],
            "classId": need.held.class_id,
            "class": need.held.class_title,
            "sessionId": need.held.session_id,
            "coveredBy": [str(each) for each in need.covered_by],
            "free": [str(each.teacher.id) for each in need.free],
        }
        for need in plan.needs
    ]
