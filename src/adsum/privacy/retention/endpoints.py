"""`/retention` and `/schools/{id}/retention`: for how long data are kept, and what would go."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import require
from adsum.platform.http.dependencies import provided
from adsum.platform.http.documented_errors import raises
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.schemas import PathId
from adsum.privacy.retention.rules import DeletionNotConfirmed
from adsum.privacy.retention.schemas import PreviewAnswer, RetentionAnswer, SetPeriods
from adsum.privacy.retention.service import Retention

router = APIRouter(tags=["students' data"], route_class=JsonRoute)
RetentionService = Annotated[Retention, Depends(provided(Retention))]
Responsible = Annotated[Caller, Depends(require(Permission.STUDENT_DATA))]
SchoolId = Annotated[PathId, Path(alias="id")]


@router.get("/retention", name="getDefaultRetention", summary="The default periods of all schools")
async def get_default_retention(retention: RetentionService, caller: Responsible) -> RetentionAnswer:
    """Without a default, data are kept for ever. It needs the rights of all schools."""
    return RetentionAnswer.of(await retention.show(None, caller))


@router.put(
    "/retention",
    name="setDefaultRetention",
    summary="Set the default periods of all schools",
    responses=raises(DeletionNotConfirmed),
)
async def set_default_retention(body: SetPeriods, retention: RetentionService, caller: Responsible) -> RetentionAnswer:
    """As for a school. It concerns the schools that have no period of their own."""
    return RetentionAnswer.of(await retention.set(None, body.to_periods(), caller, body.confirmation))


@router.post("/retention/preview", name="previewDefaultRetention", summary="What default periods would delete")
async def preview_default_retention(
    body: SetPeriods, retention: RetentionService, caller: Responsible
) -> PreviewAnswer:
    """As for a school, for all schools. Nothing changes."""
    return PreviewAnswer.of(await retention.preview(None, body.to_periods(), caller))


@router.get("/schools/{id}/retention", name="getRetention", summary="The periods of a school, and what was deleted")
async def get_retention(school_id: SchoolId, retention: RetentionService, caller: Responsible) -> RetentionAnswer:
    """Each period with the day before which data go, and the newest deletions."""
    return RetentionAnswer.of(await retention.show(school_id, caller))


@router.put(
    "/schools/{id}/retention",
    name="setRetention",
    summary="Set the periods of a school",
    responses=raises(DeletionNotConfirmed),
)
async def set_retention(
    school_id: SchoolId, body: SetPeriods, retention: RetentionService, caller: Responsible
) -> RetentionAnswer:
    """409 `deletion_not_confirmed` if more would go than before: it has the counts, and the `confirmation` to send.

    Data are deleted within hours, and cannot be restored.
    """
    return RetentionAnswer.of(await retention.set(school_id, body.to_periods(), caller, body.confirmation))


@router.post("/schools/{id}/retention/preview", name="previewRetention", summary="What periods would delete")
async def preview_retention(
    school_id: SchoolId, body: SetPeriods, retention: RetentionService, caller: Responsible
) -> PreviewAnswer:
    """Counts by kind and school year, with the first and the last day. Nothing changes."""
    return PreviewAnswer.of(await retention.preview(school_id, body.to_periods(), caller))
