"""`adsum school setup`: the checklist of a new school."""

from __future__ import annotations

from typing import Annotated

import typer

from adsum.accounts.access import system_caller
from adsum.operations.setup.rules import Step
from adsum.operations.setup.schemas import SetupItem
from adsum.operations.setup.service import SchoolSetup
from adsum.platform.command_line.output import Json, show_item, show_rows
from adsum.platform.command_line.session import run_with
from adsum.platform.ids import MAX_ID

TASKS = {
    Step.TIME_ZONE: "Check the time zone",
    Step.SCHOOL_DAYS: "Choose the school days of the week",
    Step.TERMS: "Enter the terms",
    Step.TIMETABLE: "Enter the timetable",
    Step.STATUSES: "Check the statuses and their letters",
    Step.PEOPLE: "Give logins to teachers and the office",
    Step.REGISTER: "Take the first register",
}
"""The task of each step, in the words of the start page of admins."""


def setup(
    *,
    school_id: Annotated[int, typer.Option("--school", min=1, max=MAX_ID, metavar="ID", help="The id of the school.")],
    as_json: Json = False,
) -> None:
    """Show which steps of the setup of a school are done."""
    item = SetupItem.of(run_with(SchoolSetup, lambda service: service.find(school_id, system_caller())))
    if as_json:
        show_item(item, as_json=True)
    else:
        rows = [{"step": step.step.value, "state": step.state.value, "task": TASKS[step.step]} for step in item.steps]
        show_rows(("step", "state", "task"), rows, as_json=False)
