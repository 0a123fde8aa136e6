"""`adsum absence`: what the office knows beforehand of students who will be away."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Annotated, Any

import typer

from adsum.absences.filters import AbsenceFilters
from adsum.absences.repository import AbsenceRow
from adsum.absences.rules import Absence
from adsum.accounts.access import system_caller
from adsum.platform.command_line.id_lists import parse_ids
from adsum.platform.command_line.options import ClassId, FirstDay, LastDay, StudentId, read_day
from adsum.platform.command_line.output import Json, show_one, show_rows
from adsum.platform.command_line.session import with_adsum
from adsum.platform.ids import MAX_ID
from adsum.platform.paging import MAX_LIMIT, PageRequest
from adsum.wiring import Adsum

app = typer.Typer(no_args_is_help=True)

TIMES = ("from", "to", "fromTime", "toTime", "sessionIds")
SHOWN = ("id", "studentId", *TIMES, "status", "reason", "version", "revokedAt")
DISPENSABLE = ("version", "revokedAt", "sessionIds", "toTime", "fromTime")

AbsenceId = Annotated[int, typer.Argument(min=1, max=MAX_ID, metavar="ID", help="Of the absence: see `list`.")]
Time = Annotated[str | None, typer.Option(metavar="HH:MM", help="Only sessions that meet then, by the timetable.")]
Reason = Annotated[str, typer.Option(help="Why, for the office alone.")]


@app.command()
def enter(
    *,
    student: Annotated[list[str], typer.Option(metavar="IDS", help="Students, such as 4,5 or 10-20.")],
    first_day: Annotated[date, typer.Option("--from", parser=read_day, metavar="DATE", help="The first day.")],
    last_day: Annotated[
        date | None, typer.Option("--to", parser=read_day, metavar="DATE", help="The last day. [default: the first]")
    ] = None,
    reason: Reason,
    status: Annotated[str, typer.Option(metavar="CODE", help="What a register then says.")] = "excused",
    from_time: Time = None,
    to_time: Time = None,
    session: Annotated[list[str], typer.Option(metavar="IDS", help="Only these sessions.")] = [],  # noqa: B006 - never changed
    as_json: Json = False,
) -> None:
    """Say beforehand who will be away. What is recorded already is corrected."""
    ids = parse_ids({"student": student, "session": session})
    sessions = tuple(ids["session"]) or None
    absence = Absence(first_day, last_day or first_day, status, reason, sessions, from_time, to_time)
    told = with_adsum(lambda adsum: adsum.absences.add(ids["student"], absence, system_caller()))
    show_rows(SHOWN, [row_of(row) for row in told.rows], as_json=as_json, dispensable=DISPENSABLE)


@app.command("list")
def list_absences(
    *,
    class_id: ClassId = None,
    student_id: StudentId = None,
    first_day: FirstDay = None,
    last_day: LastDay = None,
    revoked: Annotated[bool, typer.Option("--revoked", help="With those that were revoked.")] = False,
    as_json: Json = False,
) -> None:
    """Show absences, those that begin last first."""
    filters = AbsenceFilters(None, class_id, student_id, first_day, last_day, revoked)
    rows = [row_of(row) for row in with_adsum(lambda adsum: _all(adsum, filters))]
    show_rows(SHOWN, rows, as_json=as_json, dispensable=DISPENSABLE, none="no absences")


@app.command()
def change(
    *,
    absence_id: AbsenceId,
    first_day: Annotated[date | None, typer.Option("--from", parser=read_day, metavar="DATE")] = None,
    last_day: Annotated[date | None, typer.Option("--to", parser=read_day, metavar="DATE")] = None,
    status: Annotated[str | None, typer.Option(metavar="CODE", help="What a register then says.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why, for the office alone.")] = None,
    as_json: Json = False,
) -> None:
    """Change an absence. Records that say it follow."""
    given = {"first_day": first_day, "last_day": last_day, "status": status, "reason": reason}
    wanted: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if not wanted:
        raise typer.BadParameter("say what is to be changed: --from, --to, --status or --reason")
    told = with_adsum(
        lambda adsum: adsum.absences.change(absence_id, None, lambda was: replace(was, **wanted), system_caller())
    )
    show_one(row_of(told.rows[0]), as_json=as_json)


@app.command()
def revoke(*, absence_id: AbsenceId, as_json: Json = False) -> None:
    """Revoke an absence. It stays, with its history; records say again what they said before it."""
    told = with_adsum(lambda adsum: adsum.absences.revoke(absence_id, None, system_caller()))
    show_one(row_of(told.rows[0]), as_json=as_json)


async def _all(adsum: Adsum, filters: AbsenceFilters) -> list[AbsenceRow]:
    found: list[AbsenceRow] = []
    cursor: str | None = None
    while True:
        page = await adsum.absences.page(system_caller(), filters, PageRequest(cursor, MAX_LIMIT))
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


def row_of(row: AbsenceRow) -> dict[str, Any]:
    """Under the names of the HTTP API."""
    said = row.absence.to_json()
    return {
        "id": row.id,
        "studentId": row.student_id,
        **said,
        "version": row.version,
        "revokedAt": row.revoked_at,
    }
