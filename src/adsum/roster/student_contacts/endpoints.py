"""`GET /students/{id}/contacts`: whom to call about a student."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import require
from adsum.platform.http.dependencies import provided
from adsum.platform.http.guarded_routes import GuardedRoute
from adsum.platform.http.schemas import PathId
from adsum.roster.student_contacts.schemas import StudentContactItem, StudentContactsAnswer
from adsum.roster.student_contacts.service import StudentContacts

router = APIRouter(prefix="/students", tags=["roster"], route_class=GuardedRoute)


@router.get("/{id}/contacts", name="listStudentContacts", summary="The guardians, parents and relatives of a student")
async def list_student_contacts(
    student_id: Annotated[PathId, Path(alias="id")],
    student_contacts: Annotated[StudentContacts, Depends(provided(StudentContacts))],
    caller: Annotated[Caller, Depends(require(Permission.ATTENDANCE_OVERRULE))],
    _reader: Annotated[Caller, Depends(require(Permission.ROSTER_READ))],
) -> StudentContactsAnswer:
    """The contacts that the newest roster names, in the order in which to call them. `GET /contacts` lists the calls
    that were made.
    """
    contacts = await student_contacts.of_student(student_id, caller)
    return StudentContactsAnswer(items=[StudentContactItem.model_validate(each) for each in contacts])
