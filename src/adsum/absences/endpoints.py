"""`/absences`: planned absences of students."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from adsum.absences.rules import AbsenceWarning, PlannedAbsence
from adsum.absences.schemas import (
    AbsenceItem,
    AbsenceQuery,
    AbsenceSearch,
    ChangeAbsence,
    EnterAbsence,
    EnteredAbsences,
    VersionOfAbsence,
    WarningOfAbsence,
)
from adsum.absences.service import AbsenceResult, Absences
from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import SentKey, require
from adsum.platform.errors import NotFound
from adsum.platform.http.dependencies import provided
from adsum.platform.http.documented_errors import raises
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.queries import PageQuery
from adsum.platform.http.schemas import Page, PathId, page_of_items
from adsum.platform.http.versions import IfMatchVersions, etag

router = APIRouter(prefix="/absences", tags=["absences"], route_class=JsonRoute)
AbsenceId = Annotated[PathId, Path(alias="id")]
Office = Annotated[Caller, Depends(require(Permission.ATTENDANCE_OVERRULE))]
AbsencesService = Annotated[Absences, Depends(provided(Absences))]


@router.post(
    "",
    name="enterAbsence",
    summary="Enter planned absences",
    status_code=HTTPStatus.CREATED,
    responses={HTTPStatus.OK.value: {"model": EnteredAbsences, "description": "All students have this absence"}},
)
async def enter_absence(
    body: EnterAbsence, absences: AbsencesService, caller: Office, key: SentKey, response: Response
) -> EnteredAbsences:
    """Registers that are taken later record the status. Existing records are corrected.

    The same absence twice is one: 200 if all students have it.
    """
    keyed = key.answering(body, _entered, _status_of_entry)
    result = await absences.add(body.student_ids, body.to_absence(), caller, keyed, school_id=body.school_id)
    response.status_code = _status_of_entry(result)
    return _entered(result)


@router.get("", name="listAbsences", summary="Planned absences")
async def list_absences(
    query: Annotated[AbsenceQuery, Query()], absences: AbsencesService, caller: Office
) -> Page[AbsenceItem]:
    """The latest first day first."""
    page = await absences.page(caller, query.filters, query.page)
    return Page(
        items=[AbsenceItem.of(each.planned, each.warnings) for each in page.items], next_cursor=page.next_cursor
    )


@router.post(
    "/search",
    name="searchAbsences",
    summary="Planned absences, with filters in the body",
    responses=raises(NotFound),
)
async def search_absences(query: AbsenceSearch, absences: AbsencesService, caller: Office) -> Page[AbsenceItem]:
    """As `GET /absences`, without names in the address, which proxies write into logs."""
    return await list_absences(query, absences, caller)


@router.get("/{id}", name="getAbsence", summary="One absence")
async def get_absence(
    absence_id: AbsenceId, absences: AbsencesService, caller: Office, response: Response
) -> AbsenceItem:
    """The `ETag` is its version, for `If-Match`."""
    found = await absences.get(absence_id, caller)
    return _answer(found.planned, response, found.warnings)


@router.patch("/{id}", name="changeAbsence", summary="Change an absence")
async def change_absence(
    absence_id: AbsenceId,
    body: ChangeAbsence,
    versions: IfMatchVersions,
    absences: AbsencesService,
    caller: Office,
    response: Response,
) -> AbsenceItem:
    """412 if the absence no longer has the version in `If-Match`; 428 without `If-Match`. Records follow the change."""
    result = await absences.change(absence_id, versions, body.applied_to, caller)
    return _answer(result.absences[0], response, result.warnings)


@router.delete("/{id}", name="revokeAbsence", summary="Revoke an absence")
async def revoke_absence(
    absence_id: AbsenceId, versions: IfMatchVersions, absences: AbsencesService, caller: Office, response: Response
) -> AbsenceItem:
    """The absence keeps its history and applies to no day. Records return to their previous marks."""
    result = await absences.revoke(absence_id, versions, caller)
    return _answer(result.absences[0], response)


@router.get("/{id}/history", name="listAbsenceVersions", summary="Every version of an absence")
async def list_absence_versions(
    absence_id: AbsenceId, query: Annotated[PageQuery, Query()], absences: AbsencesService, caller: Office
) -> Page[VersionOfAbsence]:
    """The newest first."""
    page = await absences.history(absence_id, caller, query.page)
    return page_of_items(page, VersionOfAbsence.of)


def _entered(result: AbsenceResult) -> EnteredAbsences:
    items = [AbsenceItem.of(each) for each in result.absences]
    warnings = [WarningOfAbsence.model_validate(each) for each in result.warnings]
    return EnteredAbsences(items=items, warnings=warnings, corrected_records=result.changed_records)


def _status_of_entry(result: AbsenceResult) -> HTTPStatus:
    return HTTPStatus.CREATED if result.is_new else HTTPStatus.OK


def _answer(planned: PlannedAbsence, response: Response, warnings: Sequence[AbsenceWarning] = ()) -> AbsenceItem:
    response.headers["ETag"] = etag(planned.version)
    return AbsenceItem.of(planned, warnings)
