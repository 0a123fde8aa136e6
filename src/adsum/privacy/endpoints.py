"""`/students/{id}`: exports and erases the data of a student."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import require
from adsum.platform.http.dependencies import provided
from adsum.platform.http.schemas import PathId
from adsum.privacy.schemas import ErasedAnswer, StudentDataAnswer
from adsum.privacy.service import StudentData

router = APIRouter(prefix="/students", tags=["students' data"])
StudentDataService = Annotated[StudentData, Depends(provided(StudentData))]
StudentId = Annotated[PathId, Path(alias="id")]
Responsible = Annotated[Caller, Depends(require(Permission.STUDENT_DATA))]


@router.get("/{id}/data", name="exportStudent", summary="All data about a student")
async def export_student(
    student_id: StudentId, student_data: StudentDataService, caller: Responsible
) -> StudentDataAnswer:
    """For the student or their parents. Each export is logged with its caller and the id of the student."""
    return StudentDataAnswer.model_validate(await student_data.export(student_id, caller))


@router.delete("/{id}", name="eraseStudent", summary="Erase a student")
async def erase_student(student_id: StudentId, student_data: StudentDataService, caller: Responsible) -> ErasedAnswer:
    """Deletes enrolments, records, history, failures and marks in plans. The counts of batches stay.

    409 while a batch with the student is being processed. It cannot be undone.
    """
    return ErasedAnswer.model_validate(await student_data.erase(student_id, caller))
