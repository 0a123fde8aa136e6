"""`POST /rosters/import`: imports a OneRoster zip from the request body or from a form."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import IO, Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field
from starlette.datastructures import UploadFile

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import SentKey, require
from adsum.platform.errors import Invalid, Violation
from adsum.platform.http.dependencies import provided
from adsum.platform.http.documented_errors import raises
from adsum.platform.http.problems import MAX_ENTRIES, content_type_among
from adsum.platform.http.queries import Day, WholeQuery
from adsum.platform.http.rate_limits import costly
from adsum.platform.http.schemas import PlainText
from adsum.roster.importing.rules import ImportOptions, ImportReport
from adsum.roster.importing.schemas import ImportAnswer
from adsum.roster.importing.service import ImportRefused, RosterImport
from adsum.roster.oneroster.files import UnreadableRoster, uploaded_roster_files
from adsum.roster.oneroster.package import LINES_OF_UPLOADS

router = APIRouter(prefix="/rosters", tags=["roster"])

ZIP_TYPES = ("application/zip", "application/x-zip-compressed", "application/octet-stream")
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
    """Options of an import."""

    dry_run: Annotated[bool, Field(description="Report the changes without making them.")] = False
    strict: Annotated[bool, Field(description="Import nothing if any row is invalid.")] = False
    allow_removals: Annotated[
        bool,
        Field(
            description="Allow more than 10 % of the students, classes or enrolments to end, and most teachers to go."
        ),
    ] = False
    timezone: Annotated[
        PlainText | None,
        Field(
            max_length=64,
            description="The IANA time zone of new schools. Default: `ADSUM_TIMEZONE`; unset: UTC, with a warning.",
        ),
    ] = None
    valid_from: Annotated[
        Day | None,
        Field(description="Day on which sessions begin and end that the files add or lack; default: today."),
    ] = None

    @property
    def options(self) -> ImportOptions:
        return ImportOptions(
            dry_run=self.dry_run,
            strict=self.strict,
            allow_removals=self.allow_removals,
            time_zone=self.timezone,
            valid_from=self.valid_from,
            max_students=MAX_ENTRIES,
            max_lines=LINES_OF_UPLOADS,
        )


@router.post(
    "/import",
    name="importRoster",
    summary="Import schools, classes and students from OneRoster files",
    openapi_extra={"requestBody": _BODY},
    responses=raises(UnreadableRoster, ImportRefused),
)
@costly
async def import_roster(
    request: Request,
    query: Annotated[ImportQuery, Query()],
    roster_import: Annotated[RosterImport, Depends(provided(RosterImport))],
    caller: Annotated[Caller, Depends(require(Permission.ROSTER_IMPORT))],
    key: SentKey,
) -> ImportAnswer:
    """OneRoster 1.1 or 1.2 CSV files in a zip. Invalid rows, and rows that depend on them, are left out and listed."""
    async with _uploaded_zip(request) as archive:
        content = await asyncio.to_thread(_digest, archive)
        keyed = None if query.dry_run else key.answering(content, _answer, HTTPStatus.OK)
        async with uploaded_roster_files(archive) as files:
            report = await roster_import.run(
                files,
                caller=caller,
                options=query.options,
                keyed=keyed,
            )
    return _answer(report)


def _answer(report: ImportReport) -> ImportAnswer:
    return ImportAnswer.of(report, MAX_ENTRIES)


def _digest(archive: IO[bytes]) -> bytes:
    digest = hashlib.sha256()
    while some := archive.read(IN_MEMORY_BYTES):
        digest.update(some)
    archive.seek(0)
    return digest.digest()


@asynccontextmanager
async def _uploaded_zip(request: Request) -> AsyncGenerator[IO[bytes]]:
    if content_type_among(request, [*ZIP_TYPES, FORM]) == FORM:
        async with request.form(max_files=1, max_fields=1) as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                detail = "send the zip file as the form's file"
                raise Invalid(detail, [Violation("missing_field", detail, "/file")])
            yield file.file
    else:
        with SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as body:
            async for chunk in request.stream():
                body.write(chunk)
            body.seek(0)
            yield body
