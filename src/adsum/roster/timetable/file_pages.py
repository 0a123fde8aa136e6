"""`/admin/timetable/file`: a school's timetable as CSV, looked at first, and then imported."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from adsum.platform.errors import AdsumError
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.pages.forms import WRONG, status_with
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.platform.pages.uploads import Upload, is_scripted, uploaded
from adsum.roster.timetable.service import TimetableReport
from adsum.schools.context import CurrentSchool, SchoolContext

router = APIRouter(include_in_schema=False, route_class=PageRoute)

SHOWN = 200


@router.get("/admin/timetable/file")
async def timetable_file(request: Request, context: CurrentSchool) -> Response:
    """The form, and what the file has to look like."""
    return _page(request, context)


@router.post("/admin/timetable/file")
async def import_timetable(request: Request, adsum: OpenAdsum, context: CurrentSchool) -> Response:
    """Says what a file would change, or, of a file that was shown, changes it. To send it again changes nothing."""
    upload: Upload | None = None
    try:
        async with uploaded(request) as upload:
            content = upload.file.read()
            report = await adsum.timetables.import_csv(
                context.school.id, content, context.caller, dry_run=not upload.is_confirmed
            )
    except WRONG as error:
        return _page(request, context, upload=upload, error=error)
    return _page(request, context, upload=upload, report=report)


def _page(
    request: Request,
    context: SchoolContext,
    *,
    upload: Upload | None = None,
    report: TimetableReport | None = None,
    error: AdsumError | None = None,
) -> Response:
    violations = error.violations if error else ()
    return site_of(request).page(
        *(request, "admin/timetable_file.html"),
        status=status_with(error),
        context=context,
        visitor=context.visitor,
        upload=upload,
        report=report,
        error=error,
        violations=violations[:SHOWN],
        violation_count=len(violations),
        is_scripted=is_scripted(request),
    )
