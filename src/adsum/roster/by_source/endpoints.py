"""`PUT …/by-source/{sourcedId}`: upserts of roster rows under the ids of another platform."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Response
from starlette.convertors import PathConvertor, register_url_convertor

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import require
from adsum.platform.http.dependencies import provided
from adsum.platform.http.documented_errors import raises
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.queries import Day, SourcedId
from adsum.platform.http.schemas import PathId
from adsum.roster.by_source.rules import StudentErased
from adsum.roster.by_source.schemas import (
    ClassOfPlatform,
    EnrolmentOfPlatform,
    PutAnswer,
    SessionOfPlatform,
    StudentOfPlatform,
)
from adsum.roster.by_source.service import SourcedRoster, Upserted
from adsum.schools.service import Schools


class RestOfPath(PathConvertor):
    """The rest of a path, because `%2F` in an id is decoded before routing. Line breaks match, and are then refused."""

    regex = r"[\s\S]+"


register_url_convertor("rest", RestOfPath())
router = APIRouter(tags=["roster"], route_class=JsonRoute)
Importer = Annotated[Caller, Depends(require(Permission.ROSTER_IMPORT))]
OwnId = Annotated[SourcedId, Path(alias="sourcedId", min_length=1, description="The id on the other platform.")]
RosterService = Annotated[SourcedRoster, Depends(provided(SourcedRoster))]


async def _school(
    schools: Annotated[Schools, Depends(provided(Schools))],
    caller: Importer,
    school_id: Annotated[
        PathId | None, Query(alias="schoolId", description="Optional for callers who see one school.")
    ] = None,
) -> int:
    return school_id or (await schools.only(caller)).id


School = Annotated[int, Depends(_school)]
ADDED: dict[int | str, dict[str, Any]] = {HTTPStatus.CREATED.value: {"model": PutAnswer, "description": "It is new"}}
ValidFrom = Annotated[
    Day | None, Query(alias="validFrom", description="Day on which sessions begin or end; default: today.")
]


@router.put("/classes/by-source/{sourcedId:rest}", name="putClass", summary="Add or change a class", responses=ADDED)
async def put_class(
    own: OwnId,
    body: ClassOfPlatform,
    school: School,
    roster: RosterService,
    caller: Importer,
    response: Response,
    valid_from: ValidFrom = None,
) -> PutAnswer:
    """201 if the class is new. Omitted fields get their defaults. A request without changes writes nothing."""
    upserted = await roster.put_class(school, own, body.to_class(), caller, valid_from=valid_from)
    return _answer(upserted, own, school, response)


@router.put(
    "/students/by-source/{sourcedId:rest}",
    name="putStudent",
    summary="Add or change a student",
    responses=ADDED | raises(StudentErased),
)
async def put_student(
    own: OwnId, body: StudentOfPlatform, school: School, roster: RosterService, caller: Importer, response: Response
) -> PutAnswer:
    """As for classes."""
    return _answer(await roster.put_student(school, own, body.to_student(), caller), own, school, response)


@router.put(
    "/sessions/by-source/{sourcedId:rest}",
    name="putSession",
    summary="Add or change a session of a class",
    responses=ADDED,
)
async def put_session(
    own: OwnId,
    body: SessionOfPlatform,
    school: School,
    roster: RosterService,
    caller: Importer,
    response: Response,
    valid_from: ValidFrom = None,
) -> PutAnswer:
    """A session stays with its class. One of the same period that roster files made gets the id."""
    upserted = await roster.put_session(school, own, body.to_session(), caller, valid_from=valid_from)
    return _answer(upserted, own, school, response)


@router.put(
    "/enrolments/by-source/{sourcedId:rest}",
    name="putEnrolment",
    summary="Add or change an enrolment",
    responses=ADDED | raises(StudentErased),
)
async def put_enrolment(
    own: OwnId, body: EnrolmentOfPlatform, school: School, roster: RosterService, caller: Importer, response: Response
) -> PutAnswer:
    """To end an enrolment, send it again with an `endDate`, the first day without the student."""
    return _answer(await roster.put_enrolment(school, own, body.to_enrolment(), caller), own, school, response)


def _answer(upserted: Upserted, own: str, school: int, response: Response) -> PutAnswer:
    response.status_code = HTTPStatus.CREATED if upserted.is_new else HTTPStatus.OK
    return PutAnswer(id=upserted.id, sourced_id=own, school_id=school)
