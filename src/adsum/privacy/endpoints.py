"""`/students/{id}`: exports and erases the data of a student."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import require
from adsum.platform.errors import ConfirmationNeeded
from adsum.platform.http.dependencies import provided
from adsum.platform.http.documented_errors import raises
from adsum.platform.http.guarded_routes import GuardedRoute
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.rate_limits import costly
from adsum.platform.http.schemas import PathId
from adsum.privacy.holds.rules import StudentOnHold
from adsum.privacy.rules import OtherSchools, StudentIsBeingMarked
from adsum.privacy.schemas import ErasedAnswer, Readmission, StudentDataAnswer
from adsum.privacy.service import StudentData

router = APIRouter(prefix="/students", tags=["students' data"], route_class=GuardedRoute)
schools_router = APIRouter(prefix="/schools", tags=["students' data"], route_class=JsonRoute)
StudentDataService = Annotated[StudentData, Depends(provided(StudentData))]
StudentId = Annotated[PathId, Path(alias="id")]
Responsible = Annotated[Caller, Depends(require(Permission.STUDENT_DATA))]


@router.get(
    "/{id}/data",
    name="exportStudent",
    summary="All data about a student",
    responses=raises(OtherSchools, ConfirmationNeeded),
)
@costly
async def export_student(
    student_id: StudentId, student_data: StudentDataService, caller: Responsible
) -> StudentDataAnswer:
    """For the student or their parents. Each export is logged with its caller and the id of the student."""
    return StudentDataAnswer.model_validate(await student_data.export(student_id, caller))


@router.delete(
    "/{id}",
    name="eraseStudent",
    summary="Erase a student",
    responses=raises(OtherSchools, StudentOnHold, StudentIsBeingMarked, ConfirmationNeeded),
)
async def erase_student(student_id: StudentId, student_data: StudentDataService, caller: Responsible) -> ErasedAnswer:
    """Deletes enrolments, records, history, failures and marks in plans. The counts of batches stay.

    A tombstone without a name stays, too, so that rosters do not add the student again: see `readmitStudent`.
    409 while a batch with the student is being processed. It cannot be undone.
    """
    return ErasedAnswer.model_validate(await student_data.erase(student_id, caller))


@schools_router.post(
    "/{id}/readmissions",
    name="readmitStudent",
    summary="Let an erased student come back",
    status_code=HTTPStatus.NO_CONTENT,
)
async def readmit_student(
    school_id: Annotated[PathId, Path(alias="id")],
    body: Readmission,
    student_data: StudentDataService,
    caller: Responsible,
) -> None:
    """Later rosters and files of the school add the student again, as a new student without history.

    404 if no student with this source id was erased at the school.
    """
    await student_data.readmit(school_id, body.sourced_id, caller)
