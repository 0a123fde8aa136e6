"""`/admin/marks`: shows what a file of marks would record, with every error by line, and imports it when confirmed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from adsum.accounts.access import Permission
from adsum.accounts.visitors import Visitor, visitor_with
from adsum.attendance.statuses.rules import ShownStatus, shown_statuses
from adsum.attendance.statuses.service import Statuses
from adsum.batches.activity.metrics import BatchMetrics
from adsum.batches.marks_import.rules import MarksOptions, MarksReport
from adsum.batches.marks_import.service import MarksImport
from adsum.batches.rules import OnExisting
from adsum.platform.errors import AdsumError, Forbidden
from adsum.platform.http.dependencies import CurrentSettings, provided
from adsum.platform.http.rate_limits import costly
from adsum.platform.ids import Batch, parse_batch_id
from adsum.platform.pages.forms import WRONG, status_with
from adsum.platform.pages.page_visitor import reads_form
from adsum.platform.pages.rendering import site_of
from adsum.platform.pages.routing import PageRoute
from adsum.platform.pages.uploads import Upload, is_scripted, uploaded
from adsum.platform.settings import Settings
from adsum.roster.rules import NamedIds, Names
from adsum.roster.service import Naming
from adsum.schools.context import CurrentSchool, SchoolContext

router = APIRouter(include_in_schema=False, route_class=PageRoute)

PATH = "/admin/marks"
MAX_VIOLATIONS = 200
MAX_BATCHES = 100
MAX_CONFLICTS = 100
MAX_CHANGES = 100

StatusesService = Annotated[Statuses, Depends(provided(Statuses))]
NamingService = Annotated[Naming, Depends(provided(Naming))]
Importer = Annotated[Visitor, Depends(visitor_with(Permission.ATTENDANCE_CREATE, Permission.ROSTER_READ))]


@router.get(PATH, dependencies=[Depends(visitor_with(Permission.ATTENDANCE_CREATE, Permission.ROSTER_READ))])
async def marks_page(request: Request, settings: CurrentSettings, context: CurrentSchool) -> Response:
    """The upload form."""
    return _page(request, settings, context)


@router.post(PATH)
@reads_form
@costly
async def import_marks(
    *,
    request: Request,
    marks_import: Annotated[MarksImport, Depends(provided(MarksImport))],
    metrics: Annotated[BatchMetrics, Depends(provided(BatchMetrics))],
    statuses: StatusesService,
    naming: NamingService,
    settings: CurrentSettings,
    context: CurrentSchool,
    visitor: Importer,
) -> Response:
    """Shows what a file would record; a confirmed upload records it. A repeated upload records nothing twice."""
    upload: Upload | None = None
    school_id, caller = context.school.id, visitor.caller
    try:
        async with uploaded(request) as upload:
            content = await asyncio.to_thread(upload.file.read)
            report = await marks_import.import_file(school_id, content, caller, _options(upload))
    except (*WRONG, Forbidden) as error:
        return _page(request, settings, context, upload=upload, error=error)
    for batch in report.accepted:
        metrics.count_accepted(batch.added_jobs)
    batches = {result.batch_id: _batch_of(result.batch_id) for result in report.batches}
    names = await naming.names_of(_named_ids(report, batches), caller)
    shown = shown_statuses(await statuses.all_of(school_id, caller))
    return _page(request, settings, context, upload=upload, report=report, batches=batches, names=names, statuses=shown)


def _options(upload: Upload) -> MarksOptions:
    is_forced = "force" in upload.choices
    return MarksOptions(
        OnExisting.UPDATE if "update" in upload.choices else OnExisting.SKIP,
        dry_run=not upload.is_confirmed,
        force=is_forced,
        reason=upload.texts.get("reason") if is_forced else None,
    )


def _batch_of(batch_id: str) -> Batch:
    batch = parse_batch_id(batch_id)
    assert batch is not None, "the service made it"
    return batch


def _named_ids(report: MarksReport, batches: Mapping[str, Batch]) -> NamedIds:
    shown = [batches[result.batch_id] for result in report.batches[:MAX_BATCHES]]
    listed = [*report.conflicts[:MAX_CONFLICTS], *report.changes[:MAX_CHANGES]]
    shown += [batches[batch_id] for batch_id, _ in listed]
    return NamedIds(
        students={each.student_id for _, each in listed},
        classes={batch.class_id for batch in shown},
        sessions={batch.session_id for batch in shown},
    )


def _page(
    request: Request,
    settings: Settings,
    context: SchoolContext,
    *,
    upload: Upload | None = None,
    report: MarksReport | None = None,
    batches: Mapping[str, Batch] | None = None,
    names: Names | None = None,
    statuses: Mapping[str, ShownStatus] | None = None,
    error: AdsumError | None = None,
) -> Response:
    violations = error.violations if error else ()
    results = report.batches if report else ()
    return site_of(request).page(
        *(request, "admin/marks_file.html"),
        status=status_with(error),
        context=context,
        visitor=context.visitor,
        upload=upload,
        report=report,
        results=results[:MAX_BATCHES],
        batches=batches or {},
        names=names,
        statuses=statuses or {},
        added=sum(result.added_jobs for result in results),
        kept=sum(result.skipped_jobs for result in results),
        conflicts=report.conflicts if report else [],
        max_conflicts=MAX_CONFLICTS,
        changes=report.changes if report else [],
        max_changes=MAX_CHANGES,
        warnings=sorted(Counter(warning.code for result in results for warning in result.warnings).items()),
        error=error,
        violations=violations[:MAX_VIOLATIONS],
        violation_count=error.violation_count if error else 0,
        max_mebibytes=settings.max_import_bytes // 2**20,
        is_scripted=is_scripted(request),
    )
