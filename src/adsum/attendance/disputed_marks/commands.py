"""`adsum contradiction`: what was said in class of students whose mark the office has set."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from adsum.accounts.access import system_caller
from adsum.attendance.commands import row_of
from adsum.attendance.disputed_marks.repository import ContradictionRow
from adsum.attendance.disputed_marks.service import Holds
from adsum.attendance.filters import ContradictionFilters
from adsum.platform.command_line.options import ClassId, FirstDay, LastDay, StudentId, one_of
from adsum.platform.command_line.output import Json, show_one, show_rows
from adsum.platform.command_line.session import with_adsum
from adsum.platform.ids import MAX_ID
from adsum.platform.paging import MAX_LIMIT, PageRequest
from adsum.wiring import Adsum

app = typer.Typer(no_args_is_help=True)

PLACE = ("learningDate", "classId", "sessionId", "studentId")
SHOWN = ("id", *PLACE, "recorded", "said", "saidNote", "saidAt", "saidByRole")
DISPENSABLE = ("saidByRole", "saidAt", "saidNote", "sessionId")


@app.command("list")
def list_contradictions(
    *,
    class_id: ClassId = None,
    student_id: StudentId = None,
    first_day: FirstDay = None,
    last_day: LastDay = None,
    as_json: Json = False,
) -> None:
    """Show what waits to be settled, the newest day first."""
    filters = ContradictionFilters(None, class_id, student_id, first_day, last_day)
    rows = [_row(row) for row in with_adsum(lambda adsum: _all(adsum, filters))]
    show_rows(SHOWN, rows, as_json=as_json, dispensable=DISPENSABLE, none="no contradictions")


@app.command()
def settle(
    *,
    contradiction_id: Annotated[int, typer.Argument(min=1, max=MAX_ID, metavar="ID", help="See `list`.")],
    holds: Annotated[Holds, typer.Option(parser=one_of(Holds), metavar="|".join(Holds), help="Which of the two.")],
    reason: Annotated[str | None, typer.Option(help="Why, for the history.")] = None,
    as_json: Json = False,
) -> None:
    """Say which of the two holds: what is recorded, or what was said in class."""
    seen = with_adsum(lambda adsum: adsum.contradictions.settle(contradiction_id, holds, reason, system_caller()))
    show_one(row_of(seen.record, as_json=as_json), as_json=as_json)


async def _all(adsum: Adsum, filters: ContradictionFilters) -> list[ContradictionRow]:
    found: list[ContradictionRow] = []
    cursor: str | None = None
    while True:
        page = await adsum.contradictions.page(system_caller(), filters, PageRequest(cursor, MAX_LIMIT))
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


def _row(row: ContradictionRow) -> dict[str, Any]:
    """Under the names of the HTTP API."""
    return {
        "id": row.id,
        "learningDate": row.learning_date,
        "classId": row.class_id,
        "sessionId": row.session_id,
        "studentId": row.student_id,
        "recorded": row.recorded,
        "said": row.said,
        "saidNote": row.said_note,
        "saidAt": row.said_at,
        "saidByRole": row.said_role,
    }
