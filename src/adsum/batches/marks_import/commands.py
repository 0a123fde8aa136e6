"""`adsum attendance import`: marks from a CSV, tried first or recorded at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from adsum.accounts.access import system_caller
from adsum.batches.marks_import.service import MarksOptions, MarksReport
from adsum.batches.queue_notice import tell_if_it_waits
from adsum.batches.rows import result_row
from adsum.batches.rules import OnExisting
from adsum.batches.submission import BatchResult
from adsum.platform.command_line.options import one_of
from adsum.platform.command_line.output import Json, show_one, show_rows
from adsum.platform.command_line.session import with_adsum
from adsum.platform.ids import MAX_ID
from adsum.wiring import Adsum

COLUMNS = ("batchId", "totalJobs", "addedJobs", "skippedJobs", "conflicts", "runId")
KEPT = (OnExisting.SKIP, OnExisting.UPDATE)


def import_marks(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, metavar="PATH")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be recorded, and record nothing.")] = False,
    on_existing: Annotated[
        OnExisting,
        typer.Option(parser=one_of(KEPT), metavar="|".join(KEPT), help="What to do about who has a record."),
    ] = OnExisting.SKIP,
    school_id: Annotated[
        int | None,
        typer.Option("--school", min=1, max=MAX_ID, metavar="ID", help="May be left out where there is one."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Although the school is closed on some of the days.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why it is forced.")] = None,
    as_json: Json = False,
) -> None:
    """Import marks: CSV with the columns class,session,student,date,status and, if wanted, note,arrivedAt,leftAt.

    If a line is wrong, nothing is recorded. Sending the same file again is safe.
    """
    content = file.read_bytes()
    options = MarksOptions(on_existing, dry_run, force, reason)
    report = with_adsum(lambda adsum: _imported(adsum, school_id, content, options))
    if as_json:
        batches = [result_row(each) for each in report.batches]
        show_one({"dryRun": report.dry_run, "rows": report.rows, "batches": batches}, as_json=True)
        return
    rows = [_row(each) for each in report.batches]
    show_rows(COLUMNS, rows, as_json=False, dispensable=("runId", "skippedJobs"), none="there are no marks in it")
    conflicts = sum(len(each.conflicts) for each in report.batches)
    if conflicts:
        typer.echo(f"adsum: marks not applied, since something else is recorded: {conflicts}; see --json", err=True)


async def _imported(adsum: Adsum, school_id: int | None, content: bytes, options: MarksOptions) -> MarksReport:
    caller = system_caller()
    school = school_id or (await adsum.schools.only(caller)).id
    report = await adsum.marks_import.import_csv(school, content, caller, options)
    if not options.dry_run and any(each.is_new_run for each in report.batches):
        await tell_if_it_waits(adsum.settings)
    return report


def _row(result: BatchResult) -> dict[str, Any]:
    return result_row(result) | {"conflicts": len(result.conflicts)}
