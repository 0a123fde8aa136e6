"""`adsum batch`: mark a whole class, and follow the batch to its end."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from adsum.accounts.access import system_caller
from adsum.attendance.rules import Mark
from adsum.batches.job_outcomes import BatchJob
from adsum.batches.listing import BatchDetails, Batches
from adsum.batches.progress import Progress
from adsum.batches.queue.control import QueueControl
from adsum.batches.retry_cancel import RetryCancel
from adsum.batches.rules import BatchFilters, BatchState, BatchStatus, JobFilters, OnExisting, Outcome
from adsum.batches.schemas import BatchAnswer, BatchDetailsAnswer, BatchStatusAnswer, JobItem, RunItem, UndoneAnswer
from adsum.batches.service import AttendancesService
from adsum.batches.submission import BatchResult, Selection, StudentMark, Submission
from adsum.batches.terminal_progress import is_shown_on_terminal, report_queue_state, watch_batch
from adsum.batches.undo import Undo
from adsum.platform.command_line.id_lists import StudentIds, by_code, parse_ids
from adsum.platform.command_line.notices import show_notice
from adsum.platform.command_line.options import ClassId, class_option, naming_options, one_of, session_option
from adsum.platform.command_line.output import Json, show_item, show_items, show_one, show_rows, show_text
from adsum.platform.command_line.session import run_with, run_with_services
from adsum.platform.errors import IdempotencyKeyReused
from adsum.platform.http.schemas import Schema
from adsum.platform.paging import PageRequest, RowPage, every_item
from adsum.platform.services import Services
from adsum.roster.commands import names_unless_json

STATUS_FIELDS = (
    *("batchId", "state", "progress", "totalJobs", "recordedJobs", "skippedJobs", "failedJobs", "cancelledJobs"),
    *("remainingJobs", "startedAt", "completedAt"),
)
CREATED_FIELDS = ("batchId", "totalJobs", "addedJobs", "skippedJobs")
# Of a batch that was undone.
UNDO_FIELDS = ("undoneJobs", "notUndoneJobs")
STATUS_COLUMNS = (
    *("batchId", "state", "progress", "totalJobs", "recordedJobs", "skippedJobs", "failedJobs", "cancelledJobs"),
    "startedAt",
)
RUN_COLUMNS = (
    *("number", "state", "totalJobs", "recordedJobs", "skippedJobs", "failedJobs", "cancelledJobs"),
    "acceptedAt",
)
# A narrow terminal keeps the failures.
DROPPED_FIRST = ("skippedJobs", "recordedJobs", "startedAt", "acceptedAt", "totalJobs", "cancelledJobs")
JOB_COLUMNS = ("studentId", "student", "requested", "outcome", "recorded", "reason")
OPTIONS = {"/learningDate": "--date", "/reason": "--reason"}
"""The options for the JSON pointers of the API."""

app = typer.Typer(no_args_is_help=True)

BatchId = Annotated[
    str, typer.Argument(metavar="ID", help="The id of the batch, such as class-123-session-456-date-25122024.")
]


@app.command()
def create(
    *,
    class_id: Annotated[int, class_option()],
    session_id: Annotated[int, session_option()],
    date: Annotated[str, typer.Option(metavar="DAY", help="YYYY-MM-DD, a day of the school.")],
    select_all: Annotated[bool, typer.Option("--all", help="Mark all other students present.")] = False,
    present: StudentIds = [],  # noqa: B006 - never mutated
    absent: StudentIds = [],  # noqa: B006 - never mutated
    late: StudentIds = [],  # noqa: B006 - never mutated
    excused: StudentIds = [],  # noqa: B006 - never mutated
    mark: Annotated[
        list[str], typer.Option(metavar="CODE=IDS", help="Any other status of the school. Repeatable.")
    ] = [],  # noqa: B006 - never mutated
    on_existing: Annotated[
        OnExisting,
        typer.Option(parser=one_of(OnExisting), metavar="|".join(OnExisting), help="For students who have a record."),
    ] = OnExisting.SKIP,
    idempotency_key: Annotated[str | None, typer.Option(help="A repeated key returns the first result.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Record although the school is closed on that day.")] = False,
    reason: Annotated[str | None, typer.Option(help="The reason for --force.")] = None,
    watch: Annotated[bool, typer.Option(help="Wait until every student is recorded.")] = False,
    as_json: Json = False,
) -> None:
    """Mark a whole class: one attendance job per student. With --watch it ends as `adsum batch watch` does."""
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
    with naming_options(OPTIONS), _naming_the_key():
        result, is_paused = run_with_services(lambda services: _create(services, submission), enqueues=True)
    watched = watch and result.run_id is not None
    if not (watched and as_json):
        _show_result(result, as_json=as_json, counts_follow=watched)
    if not watched:
        return
    last = _follow(result.batch_id, pause_is_reported=is_paused)
    if as_json:
        show_one(_as_json(BatchAnswer.of(result)) | _as_json(BatchStatusAnswer.of(last)), as_json=True)
    _end(last, as_json=as_json)


@app.command()
def status(batch_id: BatchId, *, as_json: Json = False) -> None:
    """Show the progress of a batch."""
    _show_status(run_with_services(lambda services: _read_status(services, batch_id)), as_json=as_json)


@app.command()
def show(
    batch_id: BatchId,
    *,
    failed: Annotated[bool, typer.Option("--failed", help="Only the students who failed.")] = False,
    as_json: Json = False,
) -> None:
    """Show a batch with its runs and the outcome of each student."""
    filters = JobFilters(Outcome.FAILED if failed else None)

    async def work(services: Services) -> tuple[BatchDetails, list[BatchJob], dict[int, str]]:
        details, jobs = await _read_details(services[Batches], batch_id, filters)
        students = [job.student_id for job in jobs]
        return details, jobs, await names_unless_json(services, students, as_json=as_json)

    details, jobs, names = run_with_services(work)
    if as_json:
        every_job = [_as_json(JobItem.of(job)) for job in jobs]
        show_one(_as_json(BatchDetailsAnswer.of_details(details)) | {"jobs": every_job}, as_json=True)
        return
    _show_status(details.status, as_json=False)
    show_text()
    show_items(RUN_COLUMNS, [RunItem.of(run) for run in details.runs], as_json=False, dropped_first=DROPPED_FIRST)
    show_text()
    none = "no student failed" if failed else "the outcomes of its students are no longer stored"
    show_rows(JOB_COLUMNS, [_job_cells(JobItem.of(job), names) for job in jobs], as_json=False, none=none)


@app.command()
def watch(batch_id: BatchId, *, as_json: Json = False) -> None:
    """Follow a batch until it ends. With --json, each newer state is a line.

    Exits with 1 if students failed or were cancelled.
    """
    _end(_follow(batch_id, as_json=as_json), as_json=as_json)


@app.command()
def retry(batch_id: BatchId, *, as_json: Json = False) -> None:
    """Retry the students who failed. The batch keeps its totals."""
    _show_status(run_with_services(lambda services: _retry(services, batch_id), enqueues=True), as_json=as_json)


@app.command()
def cancel(batch_id: BatchId, *, as_json: Json = False) -> None:
    """Cancel the jobs that are not processed yet. Recorded marks stay."""
    cancelled = run_with(RetryCancel, lambda retry_cancel: retry_cancel.cancel(batch_id, system_caller()))
    _show_status(cancelled, as_json=as_json)
    if cancelled.state is not BatchState.CANCELLED:
        show_notice("no student of this batch is pending any more: nothing was cancelled")


@app.command()
def undo(
    batch_id: BatchId,
    *,
    reason: Annotated[str | None, typer.Option(help="The reason, for the history.")] = None,
    as_json: Json = False,
) -> None:
    """Undo the newest run: restore the marks that it overwrote, and clear those that it added."""
    result = run_with(Undo, lambda undo: undo.undo(batch_id, system_caller(), reason))
    answer = UndoneAnswer.of(result)
    if as_json:
        show_item(answer, as_json=True)
    else:
        students = [record.student_id for record in answer.kept]
        show_one({**_as_json(answer), "kept": len(students), "keptStudentIds": students}, as_json=False)
        if students:
            listed = ", ".join(map(str, students))
            show_notice(f"the records of these students stay, because they were corrected since: {listed}")


@app.command("list")
def list_batches(
    *,
    class_id: ClassId = None,
    state: Annotated[
        BatchState | None,
        typer.Option(parser=one_of(BatchState), metavar="|".join(BatchState), help="Only batches in this state."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=200)] = 50,
    as_json: Json = False,
) -> None:
    """Show the newest batches."""
    filters = BatchFilters(class_id=class_id, state=state)
    page = run_with(Batches, lambda batches: batches.page(system_caller(), filters, PageRequest(limit=limit)))
    items = [BatchStatusAnswer.of(each.status) for each in page.items]
    show_items(STATUS_COLUMNS, items, as_json=as_json, dropped_first=DROPPED_FIRST, none="no batches")


async def _create(services: Services, submission: Submission) -> tuple[BatchResult, bool]:
    """The result, and whether it was reported that the queue is paused."""
    result = await services[AttendancesService].create_batch(submission, system_caller())
    is_waiting = result.is_new_run or result.is_skipped
    return result, is_waiting and await report_queue_state(services[QueueControl])


async def _read_status(services: Services, batch_id: str) -> BatchStatus:
    status = await services[AttendancesService].get_batch_status(batch_id)
    if status.state is BatchState.PROCESSING:
        await report_queue_state(services[QueueControl])
    return status


async def _retry(services: Services, batch_id: str) -> BatchStatus:
    status = await services[RetryCancel].retry(batch_id, system_caller())
    await report_queue_state(services[QueueControl])
    return status


async def _read_details(batches: Batches, batch_id: str, filters: JobFilters) -> tuple[BatchDetails, list[BatchJob]]:
    """The batch, and all of its students that match."""
    pages: list[BatchDetails] = []

    async def fetch_page(page: PageRequest) -> RowPage[BatchJob]:
        pages.append(await batches.details(batch_id, system_caller(), filters, page))
        return pages[-1].jobs

    jobs = await every_item(fetch_page)
    return pages[0], jobs


def _follow(batch_id: str, *, as_json: bool = False, pause_is_reported: bool = False) -> BatchStatus:
    """See `watch_batch`. An interrupt prints a note that the batch is still being processed."""
    try:
        return run_with_services(
            lambda services: watch_batch(
                services[Progress],
                services[QueueControl],
                services.clock,
                batch_id,
                as_json=as_json,
                pause_is_reported=pause_is_reported,
            )
        )
    except KeyboardInterrupt:
        show_notice(f"the batch continues: adsum batch watch {batch_id}")
        raise


@contextmanager
def _naming_the_key() -> Generator[None]:
    """Begins the error of an idempotency key with its option."""
    try:
        yield
    except IdempotencyKeyReused:
        detail = "--idempotency-key: this key was sent before with another request"
        raise IdempotencyKeyReused(detail) from None


def _selection(select_all: bool, named: dict[str, list[str]], marked: dict[str, list[str]]) -> Selection:
    ids = parse_ids(named | {f"mark {code}": lists for code, lists in marked.items()})
    if not select_all and not any(ids.values()):
        raise typer.BadParameter(f"no student is named: add --all, or one of --{', --'.join(named)}")
    options = {"late": "late", "excused": "excused"} | {f"mark {code}": code for code in marked}
    single = [StudentMark(student_id, Mark(code)) for option, code in options.items() for student_id in ids[option]]
    return Selection(select_all, ids["present"], ids["absent"], single)


def _show_result(result: BatchResult, *, as_json: bool, counts_follow: bool = False) -> None:
    answer = BatchAnswer.of(result)
    if as_json:
        show_item(answer, as_json=True)
        return
    show_text(_message(result))
    if not counts_follow:
        row = _as_json(answer)
        show_one({name: row[name] for name in CREATED_FIELDS}, as_json=False)
    for warning in answer.warnings:
        show_notice(warning.detail)
    for conflict in answer.conflicts:
        show_notice(
            f"not applied: student {conflict.student_id} is {conflict.recorded or 'not recorded'}, you sent "
            f"{conflict.requested}; --on-existing update corrects what is recorded"
        )


def _message(result: BatchResult) -> str:
    """The message, with the number of conflicts if there is nothing to do."""
    if result.added_jobs or result.is_skipped or not result.conflicts:
        return result.message
    return f"{result.message}, {len(result.conflicts)} of them with a different mark"


def _show_status(status: BatchStatus, *, as_json: bool) -> None:
    answer = BatchStatusAnswer.of(status)
    if as_json:
        show_item(answer, as_json=True)
    else:
        row = answer.model_dump(by_alias=True)
        fields = STATUS_FIELDS if status.undone_at is None else (*STATUS_FIELDS, *UNDO_FIELDS)
        show_one({name: row[name] for name in fields if row[name] is not None}, as_json=False)


def _job_cells(job: JobItem, names: Mapping[int, str]) -> dict[str, Any]:
    return {
        "studentId": job.student_id,
        "student": names.get(job.student_id),
        "requested": job.status,
        "outcome": job.outcome,
        "recorded": job.recorded.status if job.recorded is not None else None,
        "reason": job.reason.detail if job.reason is not None else None,
    }


def _end(status: BatchStatus, *, as_json: bool) -> None:
    """Ends `watch`: prints the result, unless the terminal shows it already, and exits with 1 without full success."""
    if not as_json and not is_shown_on_terminal():
        _show_status(status, as_json=False)
    if status.state is BatchState.COMPLETED_WITH_ERRORS:
        show_notice(f"for the failures, see adsum batch show {status.batch_id} --failed")
    if status.state is BatchState.CANCELLED:
        count = status.tally.cancelled
        show_notice(f"cancelled: {count} of {status.tally.total} students; see adsum batch show {status.batch_id}")
    if status.state is BatchState.UNDONE:
        show_notice("undone: its records were set back; mark the class again")
    if status.state is BatchState.PARTLY_UNDONE:
        undo, command = status.undo, f"adsum batch undo {status.batch_id}"
        show_notice(f"partly undone: {undo.undone} records were set back, {undo.left} stay; for these, try {command}")
    if status.state is not BatchState.COMPLETED:
        raise typer.Exit(1)


def _as_json(item: Schema) -> dict[str, Any]:
    return item.model_dump(mode="json", by_alias=True)
