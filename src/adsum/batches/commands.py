"""`adsum batch`: mark a whole class, and follow what becomes of it."""

from __future__ import annotations

from typing import Annotated

import typer

from adsum.accounts.access import system_caller
from adsum.attendance.rules import Mark
from adsum.batches.job_outcomes import BatchJob
from adsum.batches.listing import BatchDetails
from adsum.batches.queue_notice import tell_if_it_waits
from adsum.batches.rows import DISPENSABLE, JOB_COLUMNS, RUN_COLUMNS, STATUS_COLUMNS, details_row, job_cells, result_row
from adsum.batches.rules import BatchFilters, BatchState, BatchStatus, JobFilters, OnExisting, Outcome
from adsum.batches.selection import Selection, StudentMark
from adsum.batches.submission import BatchResult, Submission
from adsum.batches.watch_command import follow, is_drawn_on_screen
from adsum.batches.wording import message_of, names_of_options
from adsum.platform.command_line.id_lists import StudentIds, by_code, parse_ids
from adsum.platform.command_line.options import one_of
from adsum.platform.command_line.output import Json, show_one, show_rows
from adsum.platform.command_line.session import with_adsum
from adsum.platform.ids import MAX_ID
from adsum.platform.paging import MAX_LIMIT, PageRequest
from adsum.wiring import Adsum

app = typer.Typer(no_args_is_help=True)

BatchId = Annotated[str, typer.Argument(metavar="ID", help="Such as class-123-session-456-date-25122024.")]


@app.command()
def create(
    *,
    class_id: Annotated[int, typer.Option("--class", metavar="ID", min=1, max=MAX_ID)],
    session_id: Annotated[int, typer.Option("--session", metavar="ID", min=1, max=MAX_ID)],
    date: Annotated[str, typer.Option(metavar="DAY", help="YYYY-MM-DD, a day of the school.")],
    select_all: Annotated[bool, typer.Option("--all", help="Everybody is present who is not named otherwise.")] = False,
    present: StudentIds = [],  # noqa: B006 - never changed
    absent: StudentIds = [],  # noqa: B006 - never changed
    late: StudentIds = [],  # noqa: B006 - never changed
    excused: StudentIds = [],  # noqa: B006 - never changed
    mark: Annotated[
        list[str], typer.Option(metavar="CODE=IDS", help="Any other status of the school. Repeatable.")
    ] = [],  # noqa: B006 - never changed
    on_existing: Annotated[
        OnExisting,
        typer.Option(
            parser=one_of(OnExisting), metavar="|".join(OnExisting), help="What to do about who has a record."
        ),
    ] = OnExisting.SKIP,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key gets the same answer.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Although the school is closed on that day.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why it is forced.")] = None,
    watch: Annotated[bool, typer.Option(help="Stay until every student is recorded.")] = False,
    as_json: Json = False,
) -> None:
    """Mark a whole class: one attendance job a student. With --watch it ends as `adsum batch watch` does."""
    submission = Submission(
        class_id=class_id,
        session_id=session_id,
        learning_date=date,
        selection=_selection(
            select_all, {"present": present, "absent": absent, "late": late, "excused": excused}, by_code(mark)
        ),
        on_existing=on_existing,
        idempotency_key=idempotency_key,
        force=force,
        reason=reason,
    )
    with names_of_options():
        result, knows_of_pause = with_adsum(lambda adsum: _created(adsum, submission))
    watched = watch and result.run_id is not None
    if not (watched and as_json):
        _show_result(result, as_json=as_json)
    if not watched:
        return
    found = follow(result.batch_id, knows_of_pause=knows_of_pause)
    if as_json:
        show_one(result_row(result) | found.to_json(), as_json=True)
    _end(found, as_json=as_json)


@app.command()
def status(batch_id: BatchId, *, as_json: Json = False) -> None:
    """Show how far a batch has come."""
    found = with_adsum(lambda adsum: _found(adsum, batch_id))
    show_one(found.to_json(), as_json=as_json)


@app.command()
def show(
    batch_id: BatchId,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="Only the students who failed.")] = False,
    as_json: Json = False,
) -> None:
    """Show a batch with its runs, and what became of each student."""
    filters = JobFilters(Outcome.FAILED if failed else None)
    details, jobs = with_adsum(lambda adsum: _details(adsum, batch_id, filters))
    if as_json:
        show_one(details_row(details, jobs), as_json=True)
        return
    show_one(details.status.to_json(), as_json=False)
    typer.echo()
    show_rows(RUN_COLUMNS, [run.to_json() for run in details.runs], as_json=False, dispensable=DISPENSABLE)
    typer.echo()
    none = "nobody failed" if failed else "what became of each student is not kept any more"
    show_rows(JOB_COLUMNS, [job_cells(job) for job in jobs], as_json=False, none=none)


@app.command()
def watch(batch_id: BatchId, *, as_json: Json = False) -> None:
    """Follow a batch until it ends. With --json, each newer state is a line.

    Exit 1 where students failed or were cancelled: not everybody is recorded.
    """
    found = follow(batch_id, json_lines=as_json)
    _end(found, as_json=as_json)


@app.command()
def retry(batch_id: BatchId, *, as_json: Json = False) -> None:
    """Record those who failed, once more; the batch keeps its totals."""
    found = with_adsum(lambda adsum: _retried(adsum, batch_id))
    show_one(found.to_json(), as_json=as_json)


@app.command()
def cancel(batch_id: BatchId, *, as_json: Json = False) -> None:
    """Stop what is not processed yet; what is recorded stays."""
    found = with_adsum(lambda adsum: adsum.retry_cancel.cancel(batch_id, system_caller()))
    show_one(found.to_json(), as_json=as_json)


@app.command()
def undo(
    batch_id: BatchId,
    *,
    reason: Annotated[str | None, typer.Option(help="Why, for the history.")] = None,
    as_json: Json = False,
) -> None:
    """Take the newest run back: what it overwrote stands again, what it recorded anew is cleared."""
    undone = with_adsum(lambda adsum: adsum.undo.undo(batch_id, system_caller(), reason))
    row = undone.to_json()
    show_one(row if as_json else row | {"kept": [each["studentId"] for each in row["kept"]]}, as_json=as_json)


@app.command("list")
def list_batches(
    *,
    class_id: Annotated[int | None, typer.Option("--class", metavar="ID", min=1, max=MAX_ID)] = None,
    state: Annotated[
        BatchState | None,
        typer.Option(parser=one_of(BatchState), metavar="|".join(BatchState), help="Only batches in this state."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    as_json: Json = False,
) -> None:
    """Show the newest batches."""
    filters = BatchFilters(class_id=class_id, state=state)
    page = with_adsum(lambda adsum: adsum.batches.page(system_caller(), filters, PageRequest(limit=limit)))
    rows = [each.status.to_json() for each in page.items]
    show_rows(STATUS_COLUMNS, rows, as_json=as_json, dispensable=DISPENSABLE, none="no batches")


async def _created(adsum: Adsum, submission: Submission) -> tuple[BatchResult, bool]:
    """The answer, and whether it was told that the queue is paused."""
    result = await adsum.attendances.create_batch(submission, system_caller())
    waits = result.is_new_run or result.is_skipped
    return result, waits and await tell_if_it_waits(adsum.settings)


async def _found(adsum: Adsum, batch_id: str) -> BatchStatus:
    found = await adsum.attendances.get_batch_status(batch_id)
    if found.state is BatchState.PROCESSING:
        await tell_if_it_waits(adsum.settings)
    return found


async def _retried(adsum: Adsum, batch_id: str) -> BatchStatus:
    found = await adsum.retry_cancel.retry(batch_id, system_caller())
    await tell_if_it_waits(adsum.settings)
    return found


def _selection(select_all: bool, named: dict[str, list[str]], marked: dict[str, list[str]]) -> Selection:
    ids = parse_ids(named | {f"mark {code}": lists for code, lists in marked.items()})
    if not select_all and not any(ids.values()):
        raise typer.BadParameter(f"nobody is named: add --all, or some of --{', --'.join(named)}")
    options = {"late": "late", "excused": "excused"} | {f"mark {code}": code for code in marked}
    single = [StudentMark(student_id, Mark(code)) for option, code in options.items() for student_id in ids[option]]
    return Selection(select_all, ids["present"], ids["absent"], single)


def _show_result(result: BatchResult, *, as_json: bool) -> None:
    row = result_row(result)
    if as_json:
        show_one(row, as_json=True)
        return
    del row["conflicts"], row["warnings"]
    show_one(row | {"message": message_of(result)}, as_json=False)
    for notice in result.warnings:
        typer.echo(f"adsum: {notice.detail}", err=True)
    for each in result.conflicts:
        recorded = each.recorded.status if each.recorded is not None else None
        typer.echo(
            f"adsum: not applied: student {each.student_id} is {recorded or 'not recorded'}, you sent "
            f"{each.requested.status}; --on-existing update corrects what is recorded",
            err=True,
        )


async def _details(adsum: Adsum, batch_id: str, filters: JobFilters) -> tuple[BatchDetails, list[BatchJob]]:
    """The batch, and all of its students that match."""
    page = PageRequest(limit=MAX_LIMIT)
    details = await adsum.batches.details(batch_id, system_caller(), filters, page)
    jobs, cursor = list(details.jobs.items), details.jobs.next_cursor
    while cursor is not None:
        page = PageRequest(cursor, MAX_LIMIT)
        following = (await adsum.batches.details(batch_id, system_caller(), filters, page)).jobs
        jobs += following.items
        cursor = following.next_cursor
    return details, jobs


def _end(found: BatchStatus, *, as_json: bool) -> None:
    """Results are on stdout, unless whoever would read them there has just seen them drawn."""
    if not as_json and not is_drawn_on_screen():
        show_one(found.to_json(), as_json=False)
    if found.state is BatchState.COMPLETED_WITH_ERRORS:
        typer.echo(f"adsum: see who failed, and why: adsum batch show {found.batch_id} --failed", err=True)
    if found.state is BatchState.CANCELLED:
        count = found.tally.cancelled
        typer.echo(
            f"adsum: cancelled: {count} of {found.tally.total} students; see adsum batch show {found.batch_id}",
            err=True,
        )
    if found.state is not BatchState.COMPLETED:
        raise typer.Exit(1)
