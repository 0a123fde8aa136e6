"""`/admin/roster`: shows what a OneRoster zip would change, and imports it after confirmation."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from adsum.accounts.access import Permission
from adsum.accounts.visitors import Visitor, visitor_with
from adsum.platform.errors import AdsumError, Forbidden
from adsum.platform.files.csv_export import BOM, Cell, csv_lines
from adsum.platform.http.dependencies import CurrentSettings, provided
from adsum.platform.http.problems import MAX_ENTRIES
from adsum.platform.http.rate_limits import costly
from adsum.platform.pages.fields import day_typed
from adsum.platform.pages.forms import WRONG, status_with
from adsum.platform.pages.page_visitor import reads_form
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.platform.pages.uploads import Upload, is_scripted, uploaded
from adsum.platform.settings import Settings
from adsum.platform.time_zones import DEFAULT_TIME_ZONE
from adsum.roster.importing.rules import (
    LEAVING,
    MAX_LEAVING_PERCENT,
    MAX_REMOVED_PERCENT,
    ClassChange,
    ImportOptions,
    ImportReport,
)
from adsum.roster.importing.service import RosterImport
from adsum.roster.oneroster.files import uploaded_roster_files
from adsum.roster.oneroster.package import LINES_OF_UPLOADS

router = APIRouter(include_in_schema=False, route_class=PageRoute)

PATH = "/admin/roster"
MAX_VIOLATIONS = 200
MAX_STUDENTS = 20
MAX_CLASSES = 4
TOO_MANY = "too_many_removals"
Importer = Annotated[Visitor, Depends(visitor_with(Permission.SCHOOL_MANAGE, Permission.ROSTER_IMPORT))]


@router.get(PATH)
async def roster(request: Request, settings: CurrentSettings, visitor: Importer) -> Response:
    """The upload form."""
    return _page(request, settings, visitor)


@router.post(PATH)
@reads_form
@costly
async def import_roster(
    request: Request,
    roster_import: Annotated[RosterImport, Depends(provided(RosterImport))],
    settings: CurrentSettings,
    visitor: Importer,
) -> Response:
    """Shows what a file would change; a confirmed upload imports it. A repeated upload changes nothing."""
    upload: Upload | None = None
    try:
        async with uploaded(request) as upload:
            since = upload.texts.get("valid_from")
            async with uploaded_roster_files(upload.file) as files:
                options = ImportOptions(
                    dry_run=not upload.is_confirmed,
                    strict="strict" in upload.choices,
                    allow_removals="allow_removals" in upload.choices,
                    time_zone=upload.texts.get("timezone"),
                    valid_from=day_typed(since, "/validFrom") if since else None,
                    max_students=MAX_ENTRIES,
                    max_lines=LINES_OF_UPLOADS,
                )
                report = await roster_import.run(files, caller=visitor.caller, options=options)
    except (*WRONG, Forbidden) as error:
        return _page(request, settings, visitor, upload=upload, error=error)
    return _page(request, settings, visitor, upload=upload, report=report)


def _page(
    request: Request,
    settings: Settings,
    visitor: Visitor,
    *,
    upload: Upload | None = None,
    report: ImportReport | None = None,
    error: AdsumError | None = None,
) -> Response:
    violations = report.violations if report else error.violations if error else ()
    removals = [violation for violation in violations if violation.code == TOO_MANY]
    rows = [violation for violation in violations if violation.code != TOO_MANY]
    shown: dict[str, Any] = {
        "visitor": visitor,
        "upload": upload,
        "report": report,
        "error": error,
        "violations": rows[:MAX_VIOLATIONS],
        "violation_count": report.violation_count - len(removals) if report else len(rows),
        "removals": removals,
        "shown_students": MAX_STUDENTS,
        "shown_classes": MAX_CLASSES,
        "names_file": _names_file(report) if report and any(each.students for each in report.students.values()) else "",
        "kept": sorted(upload.choices - {"allow_removals"}) if upload else [],
        "most_warnings": MAX_VIOLATIONS,
        "most_removed": MAX_REMOVED_PERCENT,
        "most_leaving": MAX_LEAVING_PERCENT,
        "leaving": LEAVING,
        "time_zone": settings.timezone or DEFAULT_TIME_ZONE,
        "max_mebibytes": settings.max_import_bytes // 2**20,
        "is_scripted": is_scripted(request),
    }
    return site_of(request).page(request, "admin/roster.html", status=status_with(error), **shown)


def _names_file(report: ImportReport) -> str:
    """A CSV file of the students who join, leave and move, as a `data:` address: the server stores no upload."""
    content = BOM + csv_lines(_rows_of_students(report))
    return f"data:text/csv;charset=utf-8;base64,{b64encode(content.encode()).decode()}"


def _rows_of_students(report: ImportReport) -> Iterator[Sequence[Cell]]:
    yield ("change", "sourcedId", "givenName", "familyName", "joinedClasses", "leftClasses")
    for change, changed in report.students.items():
        for student in changed.students:
            names = (student.source_id, student.given_name, student.family_name)
            yield (change.value, *names, _classes_text(student.joined), _classes_text(student.left))


def _classes_text(changes: Sequence[ClassChange]) -> str:
    return ", ".join(f"{change.title} {change.day or ''}".strip() for change in changes)
