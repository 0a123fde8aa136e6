"""`adsum contradiction`: disputed marks, and settling them."""

from __future__ import annotations

from typing import Annotated

import typer

from adsum.accounts.access import system_caller
from adsum.attendance.disputed_marks.rules import DisputeFilters, Holds
from adsum.attendance.disputed_marks.schemas import ContradictionItem
from adsum.attendance.disputed_marks.service import DisputedMarks
from adsum.attendance.schemas import RecordItem
from adsum.platform.command_line.options import ClassId, FirstDay, LastDay, SchoolId, StudentId, one_of, require_order
from adsum.platform.command_line.output import Json, show_item, show_items
from adsum.platform.command_line.session import run_with
from adsum.platform.ids import MAX_ID
from adsum.platform.paging import every_item

app = typer.Typer(no_args_is_help=True)

COLUMNS = (
    *("id", "learningDate", "classId", "sessionId", "studentId"),
    *("recorded", "said", "saidNote", "saidAt", "saidByRole"),
)
DROPPED_FIRST = ("saidByRole", "saidAt", "saidNote", "sessionId")


@app.command("list")
def list_contradictions(
    *,
    school_id: SchoolId = None,
    class_id: ClassId = None,
    student_id: StudentId = None,
    first_day: FirstDay = None,
    last_day: LastDay = None,
    as_json: Json = False,
) -> None:
    """Show open contradictions, the newest day first."""
    require_order(first_day, last_day)
    filters = DisputeFilters(school_id, class_id, student_id, first_day, last_day)
    disputes = run_with(
        DisputedMarks,
        lambda disputed_marks: every_item(lambda page: disputed_marks.page(system_caller(), filters, page)),
    )
    items = [ContradictionItem.of(each) for each in disputes]
    show_items(COLUMNS, items, as_json=as_json, dropped_first=DROPPED_FIRST, none="no contradictions")


@app.command()
def settle(
    *,
    contradiction_id: Annotated[
        int, typer.Argument(min=1, max=MAX_ID, metavar="ID", help="The id of the contradiction: see `list`.")
    ],
    holds: Annotated[
        Holds,
        typer.Option(parser=one_of(Holds), metavar="|".join(Holds), help="The mark that holds."),
    ],
    reason: Annotated[str | None, typer.Option(help="The reason, for the history.")] = None,
    as_json: Json = False,
) -> None:
    """Choose the mark that holds: the recorded one, or the one from class."""
    record = run_with(
        DisputedMarks,
        lambda disputed_marks: disputed_marks.settle(contradiction_id, holds, reason, system_caller()),
    )
    show_item(RecordItem.of(record), as_json=as_json)
