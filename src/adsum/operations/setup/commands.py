"""`adsum school setup`: the checklist of a new school."""

from __future__ import annotations

from typing import Annotated

import typer

from adsum.accounts.access import system_caller
from adsum.operations.setup.schemas import SetupItem
from adsum.operations.setup.service import SchoolSetup
from adsum.platform.command_line.output import Json, show_item, show_rows
from adsum.platform.command_line.session import run_with
from adsum.platform.ids import MAX_ID


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
        show_rows(("step", "state"), [step.model_dump(mode="json") for step in item.steps], as_json=False)
