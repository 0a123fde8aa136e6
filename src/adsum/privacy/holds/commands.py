"""`adsum hold`: data of students that nobody may delete for now."""

from __future__ import annotations

from typing import Annotated

import typer

from adsum.accounts.access import system_caller
from adsum.platform.command_line.options import SchoolId, one_of
from adsum.platform.command_line.output import Json, show_item, show_items
from adsum.platform.command_line.session import run_with
from adsum.platform.ids import MAX_ID
from adsum.platform.paging import every_item
from adsum.privacy.holds.rules import HoldReason
from adsum.privacy.holds.schemas import HoldItem
from adsum.privacy.holds.service import StudentHolds

app = typer.Typer(no_args_is_help=True)
COLUMNS = ("id", "studentId", "reason", "reference", "placedAt", "placedByRole", "placedByUserId")


@app.command("list")
def list_holds(*, school_id: SchoolId = None, as_json: Json = False) -> None:
    """Show every hold in effect."""
    rows = run_with(StudentHolds, lambda holds: every_item(lambda page: holds.page(system_caller(), page, school_id)))
    show_items(COLUMNS, [HoldItem.model_validate(row) for row in rows], as_json=as_json, none="no holds")


@app.command()
def place(
    student_id: Annotated[int, typer.Argument(min=1, max=MAX_ID, metavar="STUDENT", help="The id of the student.")],
    *,
    reason: Annotated[
        HoldReason, typer.Option(parser=one_of(HoldReason), metavar="|".join(HoldReason), help="Why data are held.")
    ],
    reference: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="The number of the case, without names and facts.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Keep everything about a student: no retention, no erasure, no merge into another record."""
    hold = run_with(StudentHolds, lambda holds: holds.place(student_id, reason, reference, system_caller()))
    show_item(HoldItem.model_validate(hold), as_json=as_json)


@app.command()
def lift(
    hold_id: Annotated[int, typer.Argument(min=1, max=MAX_ID, metavar="ID", help="The id of the hold.")],
    *,
    as_json: Json = False,
) -> None:
    """Lift a hold."""
    show_item(
        HoldItem.model_validate(run_with(StudentHolds, lambda holds: holds.lift(hold_id, system_caller()))),
        as_json=as_json,
    )
