"""`POST /attendances/create-batch`: the seed's request, and what Adsum adds to it."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Header, Response
from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import require
from adsum.attendance.rules import Mark
from adsum.batches import endpoints as batches
from adsum.batches.plan import MarkConflict
from adsum.batches.rules import OnExisting
from adsum.batches.selection import Selection, StudentMark
from adsum.batches.submission import BatchResult, Submission
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.schemas import Flag, Id, PlainText, Schema
from adsum.platform.texts import MAX_NOTE, MAX_REASON
from adsum.roster.rules import MAX_VERSION_LENGTH

router = APIRouter(prefix="/attendances", tags=["batches"])


def _bounded(listed: Any) -> Any:
    # Before any entry is looked at: an error for each of a million entries is gigabytes.
    if isinstance(listed, list) and len(cast("list[Any]", listed)) > MAX_LISTED:
        raise PydanticCustomError("too_long", "a list has at most {max_length} entries", {"max_length": MAX_LISTED})
    return cast("Any", listed)


MAX_LISTED = 20_000
Bounded = BeforeValidator(_bounded)


class RequestedMark(Schema):
    """One student's own status; it wins over both lists."""

    student_id: Id
    status: Annotated[PlainText, Field(max_length=32)]
    note: Annotated[PlainText, Field(max_length=MAX_NOTE)] | None = None
    arrived_at: Annotated[PlainText, Field(max_length=5, description="Local HH:MM")] | None = None
    left_at: Annotated[PlainText, Field(max_length=5, description="Local HH:MM")] | None = None


class CreateBatch(Schema):
    """The seed's request. `learningDate`: a plain day, or a timestamp; see the README for how it becomes a day."""

    class_id: Id
    session_id: Id
    learning_date: Annotated[PlainText, Field(max_length=64)]
    is_selected_all: Flag
    selected_student_ids: Annotated[Sequence[Id], Bounded] = ()
    unselected_student_ids: Annotated[Sequence[Id], Bounded] = ()
    marks: Annotated[Sequence[RequestedMark], Bounded] = ()
    on_existing: OnExisting = OnExisting.SKIP
    roster_version: Annotated[str, Field(max_length=MAX_VERSION_LENGTH)] | None = None
    force: Annotated[Flag, Field(description="Record although the school is closed on that day")] = False
    reason: Annotated[PlainText, Field(max_length=MAX_REASON, description="Why it is forced")] | None = None

    def to_submission(self, idempotency_key: str | None) -> Submission:
        marks = [
            StudentMark(mark.student_id, Mark(mark.status, mark.note, mark.arrived_at, mark.left_at))
            for mark in self.marks
        ]
        return Submission(
            class_id=self.class_id,
            session_id=self.session_id,
            learning_date=self.learning_date,
            selection=Selection(self.is_selected_all, self.selected_student_ids, self.unselected_student_ids, marks),
            on_existing=self.on_existing,
            roster_version=self.roster_version,
            idempotency_key=idempotency_key,
            force=self.force,
            reason=self.reason,
        )


class ConflictOfMarks(Schema):
    """A mark that was not applied. `recorded`: what stands, or is being recorded; null: nothing is."""

    student_id: int
    recorded: str | None
    requested: str
    recorded_note: str | None = None
    requested_note: str | None = None


class Warned(Schema):
    """Something that is odd about the request, which was done all the same."""

    code: str
    detail: str


class BatchAnswer(Schema):
    """The seed's response, and what Adsum adds to it."""

    batch_id: str
    total_jobs: int
    added_jobs: int
    skipped_jobs: int
    lock_key: str
    message: str
    run_id: str | None
    is_skipped: bool
    status_url: str
    conflicts: list[ConflictOfMarks]
    warnings: Sequence[Warned] = ()


@router.post(
    "/create-batch",
    name="createBatch",
    summary="Mark a whole class",
    status_code=HTTPStatus.ACCEPTED,
    responses={HTTPStatus.OK.value: {"model": BatchAnswer, "description": "Nothing was queued: see `message`"}},
)
async def create_batch(
    body: CreateBatch,
    adsum: OpenAdsum,
    caller: Annotated[Caller, Depends(require(Permission.ATTENDANCE_CREATE))],
    response: Response,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$")] = None,
) -> BatchAnswer:
    """202: the run is durable, and its jobs are queued. 200: another run is open, or nothing is left to do."""
    with adsum.metrics.accept_seconds.time():
        result = await adsum.attendances.create_batch(body.to_submission(idempotency_key), caller)
    if not result.is_new_run:
        response.status_code = HTTPStatus.OK
    elif not result.is_repeated:
        adsum.metrics.count_accepted(result.added_jobs)
    return answer_of(result)


def answer_of(result: BatchResult) -> BatchAnswer:
    """The answer to one submission."""
    return BatchAnswer(
        batch_id=result.batch_id,
        total_jobs=result.total_jobs,
        added_jobs=result.added_jobs,
        skipped_jobs=result.skipped_jobs,
        lock_key=result.lock_key,
        message=result.message,
        run_id=result.run_id,
        is_skipped=result.is_skipped,
        # Of its own router: to ask the application would try the routes of every other one, for each class.
        status_url=batches.router.url_path_for("batchStatus", batchId=result.batch_id),
        conflicts=[_conflict(conflict) for conflict in result.conflicts],
        warnings=[Warned.model_validate(notice) for notice in result.warnings],
    )


def _conflict(conflict: MarkConflict) -> ConflictOfMarks:
    recorded, requested = conflict.recorded, conflict.requested
    return ConflictOfMarks(
        student_id=conflict.student_id,
        recorded=recorded.status if recorded is not None else None,
        requested=requested.status,
        recorded_note=recorded.note if recorded is not None else None,
        requested_note=requested.note,
    )
