"""`POST /rosters/import`: a OneRoster zip, as the body itself or as a file of a form."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from pydantic import Field
from starlette.datastructures import UploadFile

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import each_named_once, require
from adsum.platform.errors import Invalid, Violation
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.problems import MAX_ENTRIES
from adsum.platform.http.queries import WholeQuery
from adsum.platform.http.schemas import Schema
from adsum.roster.importing.report import ImportReport
from adsum.roster.oneroster.files import roster_files

router = APIRouter(prefix="/rosters", tags=["roster"])

ZIP_TYPES = frozenset({"application/zip", "application/x-zip-compressed", "application/octet-stream"})
FORM = "multipart/form-data"
IN_MEMORY_BYTES = 1024 * 1024

_FILE = {"type": "string", "format": "binary"}
_BODY = {
    "required": True,
    "content": {
        "application/zip": {"schema": _FILE},
        FORM: {"schema": {"type": "object", "required": ["file"], "properties": {"file": _FILE}}},
    },
}


class ImportQuery(WholeQuery):
    """How to import."""

    dry_run: Annotated[bool, Field(description="Say what would change, and change nothing")] = False
    strict: Annotated[bool, Field(description="Import nothing if any row is wrong")] = False
    allow_removals: Annotated[
        bool, Field(description="Let more than 10 % of the students, classes or enrolments end")
    ] = False


class TableItem(Schema):
    """What became, or would become, of one table's rows."""

    added: int
    changed: int
    ended: int
    unchanged: int


class ImportEntry(Schema):
    """A row that was left out, and why. `pointer`: such as `enrollments.csv:17`."""

    pointer: str
    detail: str
    code: str
    params: Mapping[str, Any]


class ImportAnswer(Schema):
    """The outcome of an import. `refused`: of a dry run, in earnest nothing would be imported.

    `errors` are 10,000 at most; `errorCount` counts all of them.
    """

    dry_run: bool
    refused: bool
    changes_nothing: bool
    tables: Mapping[str, TableItem]
    ignored: Mapping[str, int]
    ignored_files: list[str]
    error_count: int
    errors: list[ImportEntry]


@router.post(
    "/import",
    name="importRoster",
    summary="Import schools, classes and students from OneRoster files",
    dependencies=[Depends(each_named_once)],
    openapi_extra={"requestBody": _BODY},
)
async def import_roster(
    request: Request,
    query: Annotated[ImportQuery, Query()],
    adsum: OpenAdsum,
    caller: Annotated[Caller, Depends(require(Permission.ROSTER_IMPORT))],
) -> ImportAnswer:
    """OneRoster 1.1 or 1.2 CSV files in a zip. Wrong rows, and what depends on them, are left out and listed."""
    async with _uploaded_zip(request) as archive:
        with roster_files(archive) as files:
            report = await adsum.roster_import.run(
                files,
                caller=caller,
                dry_run=query.dry_run,
                strict=query.strict,
                allow_removals=query.allow_removals,
            )
    return _answer(report)


@asynccontextmanager
async def _uploaded_zip(request: Request) -> AsyncGenerator[IO[bytes]]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == FORM:
        async with request.form(max_files=1, max_fields=1) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                detail = "send the zip file as the form's file"
                raise Invalid(detail, [Violation("missing_field", detail, "/file")])
            yield file.file
    elif kind in ZIP_TYPES:
        with SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as body:
            async for chunk in request.stream():
                body.write(chunk)
            body.seek(0)
            yield body
    else:
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)


def _answer(report: ImportReport) -> ImportAnswer:
    tables = {name: TableItem.model_validate(table) for name, table in report.tables.items()}
    errors = [ImportEntry.model_validate(violation) for violation in report.violations[:MAX_ENTRIES]]
    return ImportAnswer(
        dry_run=report.dry_run,
        refused=report.refused,
        changes_nothing=report.changes_nothing,
        tables=tables,
        ignored=report.ignored,
        ignored_files=list(report.ignored_files),
        error_count=report.violation_count,
        errors=errors,
    )
