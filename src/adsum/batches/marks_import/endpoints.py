"""`POST /attendances/import`: marks from a CSV file or a workbook."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import SentKey, require
from adsum.batches.activity.metrics import BatchMetrics
from adsum.batches.marks_import.rules import MarksOptions, MarksReport
from adsum.batches.marks_import.schemas import MarksAnswer
from adsum.batches.marks_import.service import ImportInterrupted, MarksImport
from adsum.batches.rules import OnExisting
from adsum.platform.errors import NotFound
from adsum.platform.http.dependencies import provided
from adsum.platform.http.documented_errors import raises
from adsum.platform.http.list_files import TABLE_BODY, TABLE_TYPES
from adsum.platform.http.problems import content_type_among
from adsum.platform.http.queries import WholeQuery
from adsum.platform.http.rate_limits import costly
from adsum.platform.http.schemas import PathId, PlainText
from adsum.platform.texts import MAX_REASON

router = APIRouter(prefix="/attendances", tags=["attendances"])

PATH = "/attendances/import"


class MarksQuery(WholeQuery):
    """Options of an import of marks."""

    school_id: Annotated[PathId | None, Field(description="Optional for a caller who sees one school.")] = None
    dry_run: Annotated[bool, Field(description="Validate the file, and record nothing.")] = False
    on_existing: Annotated[
        Literal["skip", "update"],
        Field(description="For students who have a record: `skip` keeps it, `update` corrects it."),
    ] = "skip"
    force: Annotated[bool, Field(description="Record although the school is closed on some of the days.")] = False
    reason: Annotated[PlainText, Field(max_length=MAX_REASON, description="The reason for `force`.")] | None = None

    @property
    def options(self) -> MarksOptions:
        return MarksOptions(OnExisting(self.on_existing), self.dry_run, self.force, self.reason)


@router.post(
    "/import",
    name="importMarks",
    summary="Import marks from CSV or XLSX",
    status_code=HTTPStatus.ACCEPTED,
    responses={HTTPStatus.OK.value: {"model": MarksAnswer, "description": "A dry run, or nothing was queued"}}
    | raises(ImportInterrupted, NotFound),
    openapi_extra={"requestBody": TABLE_BODY},
)
@costly
async def import_marks(
    request: Request,
    query: Annotated[MarksQuery, Query()],
    marks_import: Annotated[MarksImport, Depends(provided(MarksImport))],
    metrics: Annotated[BatchMetrics, Depends(provided(BatchMetrics))],
    caller: Annotated[Caller, Depends(require(Permission.ATTENDANCE_CREATE))],
    key: SentKey,
    response: Response,
) -> MarksAnswer:
    """Columns: class, session, student, date, status; optional: note, arrivedAt, leftAt. Imports all lines or none.

    `class` and `student` are sourced ids; `session` is a period, which may be empty, or a sourced id. Adsum's ids have
    columns of their own: classId, sessionId, studentId. Each class, session and day is a batch. Sending the file again
    is safe.

    A file from `GET /attendances` is accepted as it is. Lines that say what is recorded change nothing, and are valid
    whatever has changed since. Of a workbook the first sheet is read.
    """
    content_type_among(request, TABLE_TYPES)
    content = await request.body()
    keyed = None if query.dry_run else key.answering(content, MarksAnswer.of, _status_of)
    report = await marks_import.import_file(query.school_id, content, caller, query.options, keyed)
    response.status_code = _status_of(report)
    for batch in report.accepted:
        if not batch.is_repeated:
            metrics.count_accepted(batch.added_jobs)
    return MarksAnswer.of(report)


def _status_of(report: MarksReport) -> HTTPStatus:
    return HTTPStatus.ACCEPTED if report.accepted else HTTPStatus.OK
