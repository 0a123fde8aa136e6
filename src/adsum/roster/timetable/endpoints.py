"""`/sessions/{id}/times` and `POST /schools/{schoolId}/timetable`: when sessions meet in each week."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import Field

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import SentKey, require
from adsum.platform.errors import Conflict
from adsum.platform.http.dependencies import provided
from adsum.platform.http.documented_errors import raises
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.list_files import TABLE_BODY, TABLE_TYPES
from adsum.platform.http.problems import content_type_among
from adsum.platform.http.queries import Day, WholeQuery
from adsum.platform.http.rate_limits import costly
from adsum.platform.http.schemas import PathId
from adsum.roster.timetable.schemas import Times, TimetableAnswer
from adsum.roster.timetable.service import Timetables
from adsum.schools.calendar.rules import SessionTime

router = APIRouter(tags=["calendar"], route_class=JsonRoute)

SessionId = Annotated[PathId, Path(alias="id")]
Reader = Annotated[Caller, Depends(require(Permission.ROSTER_READ))]
Manager = Annotated[Caller, Depends(require(Permission.SCHOOL_MANAGE))]
TimetablesService = Annotated[Timetables, Depends(provided(Timetables))]


ValidFrom = Annotated[
    Day | None,
    Field(description="From this day on; default: today, or every day for a session that has no times yet."),
]


class TimesQuery(WholeQuery):
    """The day of the times."""

    day: Annotated[Day | None, Field(alias="date", description="Default: today.")] = None


class ChangeQuery(WholeQuery):
    """The day of a change."""

    valid_from: ValidFrom = None


class TimetableQuery(ChangeQuery):
    """Options of an import."""

    dry_run: Annotated[bool, Field(description="Report the changes without making them.")] = False


@router.get("/sessions/{id}/times", name="getTimes", summary="Times of a session")
async def get_times(
    session_id: SessionId, query: Annotated[TimesQuery, Query()], timetables: TimetablesService, caller: Reader
) -> Times:
    """The times in the week of `date`, in the order of its days. Empty if the times are not known."""
    return Times.of(await timetables.times(session_id, caller, query.day))


@router.put("/sessions/{id}/times", name="replaceTimes", summary="Set the times of a session")
async def replace_times(
    session_id: SessionId,
    body: Times,
    query: Annotated[ChangeQuery, Query()],
    timetables: TimetablesService,
    caller: Manager,
) -> Times:
    """Replaces all times of the session from a day on. Earlier days keep their times."""
    times = [SessionTime(time.weekday, time.begins, time.ends) for time in body.times]
    return Times.of(await timetables.replace(session_id, times, caller, valid_from=query.valid_from))


@router.post(
    "/schools/{schoolId}/timetable",
    name="importTimetable",
    summary="Import a timetable from CSV or XLSX",
    openapi_extra={"requestBody": TABLE_BODY},
    responses=raises(Conflict),
)
@costly
async def import_timetable(
    school_id: Annotated[PathId, Path(alias="schoolId")],
    request: Request,
    query: Annotated[TimetableQuery, Query()],
    timetables: TimetablesService,
    caller: Manager,
    key: SentKey,
) -> TimetableAnswer:
    """Replaces the times of every session in the file. Columns: class, session, weekday, begins, ends.

    One wrong line rejects the whole file. Earlier days keep their times.

    `class` is a sourced id; `session` is a period, which may be empty, or a sourced id. Adsum's ids have columns of
    their own: classId, sessionId. Only the first sheet of a workbook is read.
    """
    content_type_among(request, TABLE_TYPES)
    content = await request.body()
    keyed = None if query.dry_run else key.answering(content, TimetableAnswer.model_validate, HTTPStatus.OK)
    report = await timetables.import_file(
        school_id, content, caller, dry_run=query.dry_run, valid_from=query.valid_from, keyed=keyed
    )
    return TimetableAnswer.model_validate(report)
