"""`POST /students/{id}/merge`: merges two records of one student."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import SentKey, require
from adsum.platform.http.dependencies import provided
from adsum.platform.http.documented_errors import raises
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.schemas import PathId
from adsum.privacy.holds.rules import StudentOnHold
from adsum.privacy.merging.rules import ChoiceNeeded, NamesNotConfirmed
from adsum.privacy.merging.schemas import MergeAnswer, MergeBody, Merges
from adsum.privacy.merging.service import StudentMerges
from adsum.privacy.rules import OtherSchools, StudentIsBeingMarked

router = APIRouter(prefix="/students", tags=["students' data"], route_class=JsonRoute)
MergesService = Annotated[StudentMerges, Depends(provided(StudentMerges))]
StudentId = Annotated[PathId, Path(alias="id")]
Responsible = Annotated[Caller, Depends(require(Permission.STUDENT_DATA))]


@router.post(
    "/{id}/merge",
    name="mergeStudents",
    summary="Merge two records of one student",
    responses=raises(OtherSchools, ChoiceNeeded, NamesNotConfirmed, StudentOnHold, StudentIsBeingMarked),
)
async def merge_students(
    student_id: StudentId, body: MergeBody, merges: MergesService, caller: Responsible, key: SentKey
) -> MergeAnswer:
    """Moves records with their history, absences and enrolments to the student. All of it happens, or nothing.

    409 `choice_needed` lists the sessions and days on which both have a record, unless `prefer` or `choices` choose.
    409 `names_not_confirmed`: the names differ, and `allowDifferentNames` is not set. The same merge again changes
    nothing, and has the warning `already_merged`. Afterwards the sourced id of the removed record names the student.
    """
    removed_id, choices = body.removed_student_id, body.to_choices()
    if body.dry_run:
        return MergeAnswer.of(await merges.preview(student_id, removed_id, choices, caller))
    keyed = key.answering(body, MergeAnswer.of, HTTPStatus.OK)
    return MergeAnswer.of(await merges.merge(student_id, removed_id, choices, caller, keyed))


@router.get(
    "/{id}/merges",
    name="listMerges",
    summary="Records that were merged into a student's",
    responses=raises(OtherSchools),
)
async def list_merges(student_id: StudentId, merges: MergesService, caller: Responsible) -> Merges:
    """The newest first: what moved, who merged, and both marks of each session in which both had a record."""
    return Merges(items=[MergeAnswer.of(merge) for merge in await merges.merges(student_id, caller)])
