"""`adsum attendance import`: imports marks from a CSV file or a workbook, with a dry run on request."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adsum.accounts.access import system_caller
from adsum.batches.marks_import.rules import MarksOptions, MarksReport
from adsum.batches.marks_import.schemas import MarksAnswer
from adsum.batches.marks_import.service import MarksImport
from adsum.batches.queue.control import QueueControl
from adsum.batches.rules import OnExisting
from adsum.batches.terminal_progress import report_queue_state
from adsum.platform.command_line.notices import show_notice
from adsum.platform.command_line.options import one_of, school_option
from adsum.platform.command_line.output import Json, show_item, show_rows, show_text
from adsum.platform.command_line.session import run_with_services
from adsum.platform.services import Services

COLUMNS = ("batchId", "totalJobs", "addedJobs", "skippedJobs", "conflicts", "runId")
MAX_CHANGES = 100
MAX_LEFT_OUT = 20
CHOICES = (OnExisting.SKIP, OnExisting.UPDATE)


def import_marks(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, metavar="PATH")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Validate the file, and record nothing.")] = False,
    on_existing: Annotated[
        OnExisting,
        typer.Option(parser=one_of(CHOICES), metavar="|".join(CHOICES), help="For students who have a record."),
    ] = OnExisting.SKIP,
    school_id: Annotated[
        int | None,
        school_option("Optional if there is one school, or if the file has the column classId."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Record although the school is closed on some days.")] = False,
    reason: Annotated[str | None, typer.Option(help="The reason for --force.")] = None,
    as_json: Json = False,
) -> None:
    """Import marks from a CSV file or a workbook (XLSX), also from a file of `adsum attendance export`.

    Columns: class,session,student,date,status; optional: note,arrivedAt,leftAt. Adsum's ids are in the columns
    classId,sessionId,studentId instead.
    If a line is invalid, nothing is recorded. Sending the same file again is safe. Lines that say what is recorded
    change nothing.
    """
    content = file.read_bytes()
    options = MarksOptions(on_existing, dry_run, force, reason)
    report = run_with_services(lambda services: _import(services, school_id, content, options), enqueues=not dry_run)
    answer = MarksAnswer.of(report)
    if as_json:
        show_item(answer, as_json=True)
        return
    rows = [batch.model_dump(by_alias=True) | {"conflicts": len(batch.conflicts)} for batch in answer.batches]
    show_rows(COLUMNS, rows, as_json=False, dropped_first=("runId", "skippedJobs"), none="the file has no marks")
    show_changes(answer)
    if answer.dry_run:
        show_text("A dry run: nothing was changed.")
    elif rows and not any(batch.added_jobs for batch in answer.batches):
        show_text("Nothing changes: every mark of the file is recorded, or another mark stays.")
    for detail in sorted({warning.detail for batch in answer.batches for warning in batch.warnings}):
        show_notice(detail)
    for line in answer.left_out[:MAX_LEFT_OUT]:
        show_notice(line.detail)
    if answer.left_out_count > MAX_LEFT_OUT:
        show_notice(f"{answer.left_out_count - MAX_LEFT_OUT:,} more lines are left out; see --json")
    conflicts = sum(len(batch.conflicts) for batch in answer.batches)
    if conflicts:
        show_notice(f"marks not applied, because other marks are recorded: {conflicts}; see --json")


def show_changes(answer: MarksAnswer) -> None:
    """Prints the records that the import would correct, each with its batch, as `student 117: late → present`."""
    changes = answer.changes
    if not changes:
        return
    show_text(f"{len(changes):,} {'record is' if len(changes) == 1 else 'records are'} corrected:")
    for change in changes[:MAX_CHANGES]:
        pairs = (
            (change.old_status or "no mark", change.new_status),
            (change.old_note, change.new_note),
            (change.old_arrived_at, change.new_arrived_at),
            (change.old_left_at, change.new_left_at),
        )
        texts = [f"{old or 'none'} → {new}" for old, new in pairs if new is not None and old != new]
        show_text(f"  {change.batch_id}, student {change.student_id}: {', '.join(texts)}")
    if len(changes) > MAX_CHANGES:
        show_text(f"  and {len(changes) - MAX_CHANGES:,} more: see --json")


async def _import(services: Services, school_id: int | None, content: bytes, options: MarksOptions) -> MarksReport:
    report = await services[MarksImport].import_file(school_id, content, system_caller(), options)
    if not options.dry_run and any(batch.is_new_run for batch in report.batches):
        await report_queue_state(services[QueueControl])
    return report
