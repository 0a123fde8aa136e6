"""`PUT …/by-source/{sourcedId}`: the roster of a platform that has no OneRoster files, under the platform's own ids."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import Field

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import each_named_once, require
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.queries import SourcedDay, SourcedId
from adsum.platform.http.schemas import Flag, PathId, PlainText, Schema
from adsum.roster.by_source.rules import (
    MAX_GRADE,
    MAX_NAME,
    MAX_PERIOD,
    SourcedClass,
    SourcedEnrolment,
    SourcedSession,
    SourcedStudent,
)
from adsum.roster.by_source.service import Put

router = APIRouter(tags=["roster"], dependencies=[Depends(each_named_once)])
Importer = Annotated[Caller, Depends(require(Permission.ROSTER_IMPORT))]
OwnId = Annotated[SourcedId, Path(alias="sourcedId", min_length=1, description="The platform's own id")]
Name = Annotated[PlainText, Field(min_length=1, max_length=MAX_NAME)]


class ClassOfPlatform(Schema):
    """A class."""

    title: Name
    code: Name | None = None
    active: Flag = True


class StudentOfPlatform(Schema):
    """A student, whom an enrolment puts into a class."""

    given_name: Name
    family_name: Name
    grade: Annotated[PlainText, Field(max_length=MAX_GRADE)] | None = None
    active: Flag = True


class SessionOfPlatform(Schema):
    """A session of a class; `period` tells its sessions apart."""

    class_sourced_id: Name
    title: Name
    period: Annotated[PlainText, Field(max_length=MAX_PERIOD)] = ""
    active: Flag = True


class EnrolmentOfPlatform(Schema):
    """A student in a class. `endDate` is the first day without the student."""

    class_sourced_id: Name
    student_sourced_id: Name
    begin_date: SourcedDay | None = None
    end_date: SourcedDay | None = None


class PutAnswer(Schema):
    """Under which id the thing stands here: for create-batch, and everything else."""

    id: int
    sourced_id: str
    school_id: int


async def _school(
    adsum: OpenAdsum,
    caller: Importer,
    school_id: Annotated[
        PathId | None, Query(alias="schoolId", description="May be left out by who sees one school")
    ] = None,
) -> int:
    return school_id or (await adsum.schools.only(caller)).id


School = Annotated[int, Depends(_school)]


@router.put("/classes/by-source/{sourcedId}", name="putClass", summary="Add or change a class")
async def put_class(
    own: OwnId, body: ClassOfPlatform, school: School, adsum: OpenAdsum, caller: Importer, response: Response
) -> PutAnswer:
    """201 where it is new. What is left out is as if it were never said. Nothing is written where nothing changes."""
    said = SourcedClass(body.title, body.code, body.active)
    return _answer(await adsum.sourced_roster.put_class(school, own, said, caller), own, school, response)


@router.put("/students/by-source/{sourcedId}", name="putStudent", summary="Add or change a student")
async def put_student(
    own: OwnId, body: StudentOfPlatform, school: School, adsum: OpenAdsum, caller: Importer, response: Response
) -> PutAnswer:
    """As for classes."""
    said = SourcedStudent(body.given_name, body.family_name, body.grade, body.active)
    return _answer(await adsum.sourced_roster.put_student(school, own, said, caller), own, school, response)


@router.put("/sessions/by-source/{sourcedId}", name="putSession", summary="Add or change a session of a class")
async def put_session(
    own: OwnId, body: SessionOfPlatform, school: School, adsum: OpenAdsum, caller: Importer, response: Response
) -> PutAnswer:
    """A session stays with its class. One of the same period that roster files made gets the id."""
    said = SourcedSession(body.class_sourced_id, body.title, body.period, body.active)
    return _answer(await adsum.sourced_roster.put_session(school, own, said, caller), own, school, response)


@router.put("/enrolments/by-source/{sourcedId}", name="putEnrolment", summary="Add or change an enrolment")
async def put_enrolment(
    own: OwnId, body: EnrolmentOfPlatform, school: School, adsum: OpenAdsum, caller: Importer, response: Response
) -> PutAnswer:
    """To end it, put it again with an `endDate`: the first day without the student."""
    said = SourcedEnrolment(body.class_sourced_id, body.student_sourced_id, body.begin_date, body.end_date)
    return _answer(await adsum.sourced_roster.put_enrolment(school, own, said, caller), own, school, response)


def _answer(put: Put, own: str, school: int, response: Response) -> PutAnswer:
    response.status_code = HTTPStatus.CREATED if put.is_new else HTTPStatus.OK
    return PutAnswer(id=put.id, sourced_id=own, school_id=school)
