"""A child's data: `GET` hands all of it over, `DELETE` erases it."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Path

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import require
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.schemas import Moment, PathId, Schema
from adsum.privacy.repository import PersonalData

router = APIRouter(prefix="/students", tags=["students' data"])
StudentId = Annotated[PathId, Path(alias="id")]
Responsible = Annotated[Caller, Depends(require(Permission.STUDENT_DATA))]


class StudentOfData(Schema):
    """Who it is."""

    id: int
    sourced_id: str | None
    given_name: str
    family_name: str
    grade: str | None
    active: bool
    school: str


class EnrolmentOfData(Schema):
    """In which class, from when on, and up to but without `endDate`."""

    class_id: int
    class_title: str
    begin_date: date | None
    end_date: date | None


class ChangeOfData(Schema):
    """One change of a record."""

    version: int
    old_status: str | None
    old_note: str | None
    new_status: str | None
    new_note: str | None
    old_arrived_at: str | None = None
    new_arrived_at: str | None = None
    old_left_at: str | None = None
    new_left_at: str | None = None
    old_office_note: str | None = None
    new_office_note: str | None = None
    changed_at: Moment
    changed_role: str
    reason: str | None


class RecordOfData(Schema):
    """One record, with its changes."""

    id: int
    learning_date: date
    class_id: int
    class_title: str
    session_id: int
    session_title: str
    status: str | None
    note: str | None
    arrived_at: str | None = None
    left_at: str | None = None
    office_note: str | None = None
    version: int
    marked_at: Moment
    marked_role: str
    changes: list[ChangeOfData]


class RequestOfData(Schema):
    """A mark that was asked for, in a run whose plan is still kept."""

    learning_date: date
    class_id: int
    session_id: int
    accepted_at: Moment
    status: str
    note: str | None


class FailureOfData(Schema):
    """A mark that could not be recorded, and why."""

    learning_date: date
    class_id: int
    session_id: int
    code: str
    failed_at: Moment


class AbsenceOfData(Schema):
    """What was known beforehand: an absence, revoked or not."""

    id: int
    first_day: date
    last_day: date
    session_ids: list[int] | None
    from_time: str | None
    to_time: str | None
    status: str
    reason: str
    version: int
    revoked_at: Moment | None


class ContradictionOfData(Schema):
    """What was said in class against a mark of the office's."""

    learning_date: date
    class_id: int
    session_id: int
    status: str
    note: str | None
    said_at: Moment
    said_role: str
    resolved_at: Moment | None


class StudentDataAnswer(Schema):
    """Everything that is kept about a student."""

    student: StudentOfData
    enrolments: list[EnrolmentOfData]
    records: list[RecordOfData]
    requests: list[RequestOfData]
    failures: list[FailureOfData]
    absences: list[AbsenceOfData] = []  # noqa: RUF012 - pydantic copies it
    contradictions: list[ContradictionOfData] = []  # noqa: RUF012 - as above

    @classmethod
    def of(cls, data: PersonalData) -> StudentDataAnswer:
        return cls.model_validate(data)


class ErasedAnswer(Schema):
    """Who was erased, and how many records with them."""

    student_id: int
    records: int


@router.get("/{id}/data", name="exportStudent", summary="Everything that is kept about a student")
async def export_student(student_id: StudentId, adsum: OpenAdsum, caller: Responsible) -> StudentDataAnswer:
    """For the student or their parents. It is logged who asked, and about whom."""
    return StudentDataAnswer.of(await adsum.student_data.export(student_id, caller))


@router.delete("/{id}", name="eraseStudent", summary="Erase a student")
async def erase_student(student_id: StudentId, adsum: OpenAdsum, caller: Responsible) -> ErasedAnswer:
    """Enrolments, records, history, failures and marks in plans. What is counted of batches stays, and names nobody.

    409 while a batch with the student is being processed. It cannot be taken back.
    """
    return ErasedAnswer.model_validate(await adsum.student_data.erase(student_id, caller))
