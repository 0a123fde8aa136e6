"""`adsum attendance`: what is recorded, on the screen; correcting one record, and its history."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Any

import typer

from adsum.accounts.access import system_caller
from adsum.attendance.corrections import change_as_json
from adsum.attendance.export_commands import export
from adsum.attendance.filters import RecordFilters
from adsum.attendance.history import Change
from adsum.attendance.record_options import read_filters
from adsum.attendance.repository import RecordRow
from adsum.attendance.rules import Correction, Keep
from adsum.attendance.service import COLUMNS, cells
from adsum.platform.command_line.options import ClassId, FirstDay, LastDay, SessionId, Status, StudentId
from adsum.platform.command_line.output import Json, show_one, show_rows
from adsum.platform.command_line.session import with_adsum
from adsum.platform.ids import MAX_ID
from adsum.platform.paging import MAX_LIMIT, PageRequest
from adsum.wiring import Adsum

app = typer.Typer(no_args_is_help=True)
app.command()(export)

SHOWN = ("id", "learningDate", "classId", "sessionId", "studentId", "status", "note", "markedAt", "markedByRole")
DISPENSABLE = ("markedByRole", "markedAt", "note", "classId", "sessionId")
CHANGE = ("version", "status", "note", "changedAt", "changedByRole", "changedByUserId", "reason", "runId")


RecordId = Annotated[int, typer.Argument(min=1, max=MAX_ID, metavar="ID", help="Of the record: see `list`.")]


@app.command("list")
def list_records(
    *,
    class_id: ClassId = None,
    session_id: SessionId = None,
    student_id: StudentId = None,
    first_day: FirstDay = None,
    last_day: LastDay = None,
    status: Status = None,
    limit: Annotated[int, typer.Option(min=1, help="Records, at most.")] = 50,
    as_json: Json = False,
) -> None:
    """Show what is recorded, by learning date, session and student."""
    filters = read_filters(class_id, session_id, student_id, first_day, last_day, status)
    rows, is_all = with_adsum(lambda adsum: _first_of(adsum, filters, limit))
    found = [row_of(row, as_json=as_json) for row in rows]
    show_rows(SHOWN, found, as_json=as_json, dispensable=DISPENSABLE, none="no records")
    if not is_all:
        typer.echo(f"adsum: there are more than these {limit}: see --limit, and adsum attendance export", err=True)


@app.command()
def correct(
    *,
    record_id: RecordId,
    status: Status = None,
    note: Annotated[str | None, typer.Option(help="Written beside the status; '' takes the note away.")] = None,
    arrived: Annotated[str | None, typer.Option(metavar="HH:MM", help="When they came; '' takes it away.")] = None,
    left: Annotated[str | None, typer.Option(metavar="HH:MM", help="When they left; '' takes it away.")] = None,
    office_note: Annotated[str | None, typer.Option(help="For the office alone; '' takes it away.")] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take the mark back: the record stays, without one.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why, for the history.")] = None,
    version: Annotated[
        int | None, typer.Option(min=1, help="Only if the record is still of this version. [default: whatever it says]")
    ] = None,
    as_json: Json = False,
) -> None:
    """Correct one record. What it said before stays in its history."""
    is_changed = any(given is not None for given in (status, note, arrived, left, office_note))
    if clear and is_changed:
        raise typer.BadParameter("a mark is cleared or changed, not both", param_hint="--clear")
    if not clear and not is_changed:
        raise typer.BadParameter("say what is to be changed: --status, --note or --clear", param_hint="--status")
    correction = Correction(
        status=None if clear else status or Keep.AS_IS,
        note=_given(note),
        reason=reason,
        arrived_at=_given(arrived),
        left_at=_given(left),
        office_note=_given(office_note),
    )
    versions = None if version is None else [version]
    seen = with_adsum(
        lambda adsum: adsum.corrections.correct(record_id, versions, correction, system_caller()),
    )
    show_one(row_of(seen.record, as_json=as_json), as_json=as_json)


def _given(text: str | None) -> str | Keep | None:
    return Keep.AS_IS if text is None else text or None


@app.command()
def history(*, record_id: RecordId, as_json: Json = False) -> None:
    """Show every change of one record, the newest first, down to the mark that it began with."""
    changes = with_adsum(lambda adsum: _history(adsum, record_id))
    rows = [change_as_json(change) for change in changes]
    show_rows(CHANGE, rows if as_json else [_shown(row) for row in rows], as_json=as_json, dispensable=CHANGE[:2:-1])


def _shown(change: dict[str, Any]) -> dict[str, Any]:
    """For people: what it says from this version on; what it said before stands in the line below."""
    return change | change["new"]


async def _history(adsum: Adsum, record_id: int) -> list[Change]:
    changes: list[Change] = []
    cursor: str | None = None
    while True:
        page = await adsum.corrections.history(record_id, system_caller(), PageRequest(cursor, MAX_LIMIT))
        changes += page.items
        cursor = page.next_cursor
        if cursor is None:
            return changes


def row_of(row: RecordRow, *, as_json: bool) -> dict[str, Any]:
    """As the CSV has it; for people the time is to the second, as everywhere."""
    found: dict[str, Any] = dict(zip(COLUMNS, cells(row), strict=True))
    moment = row.marked_at.astimezone(UTC)
    return found | {"markedAt": moment.isoformat().replace("+00:00", "Z") if as_json else moment}


async def _first_of(adsum: Adsum, filters: RecordFilters, limit: int) -> tuple[list[RecordRow], bool]:
    """At most `limit` records, and whether these are all."""
    rows: list[RecordRow] = []
    cursor: str | None = None
    while len(rows) < limit:
        page = PageRequest(cursor, min(limit - len(rows), MAX_LIMIT))
        found = await adsum.records.page(system_caller(), filters, page)
        rows += found.items
        cursor = found.next_cursor
        if cursor is None:
            break
    return rows, cursor is None
