"""`/sessions/{id}/times` and `POST /schools/{schoolId}/timetable`: when sessions meet in each week."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Request
from pydantic import Field, Strict

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import each_named_once, require
from adsum.platform.days import TIME_PATTERN
from adsum.platform.http.dependencies import OpenAdsum
from adsum.platform.http.queries import WholeQuery
from adsum.platform.http.schemas import PathId, Schema
from adsum.schools.calendar.rules import MAX_TIMES, SessionTime

router = APIRouter(tags=["calendar"], dependencies=[Depends(each_named_once)])

CSV_TYPE = "text/csv"
_BODY = {"required": True, "content": {CSV_TYPE: {"schema": {"type": "string"}}}}

SessionId = Annotated[PathId, Path(alias="id")]
Reader = Annotated[Caller, Depends(require(Permission.ROSTER_READ))]
Manager = Annotated[Caller, Depends(require(Permission.SCHOOL_MANAGE))]
Time = Annotated[str, Field(pattern=TIME_PATTERN)]


class TimeItem(Schema):
    """A time of the week: `weekday` 1 is Monday, 7 Sunday; local times as HH:MM."""

    weekday: Annotated[int, Strict(), Field(ge=1, le=7)]
    begins: Time
    ends: Time


class Times(Schema):
    """All times of a session."""

    times: Annotated[Sequence[TimeItem], Field(max_length=MAX_TIMES)]

    @classmethod
    def of(cls, times: Sequence[SessionTime]) -> Times:
        return cls(times=[TimeItem.model_validate(time) for time in times])


class TimetableQuery(WholeQuery):
    """How to import."""

    dry_run: Annotated[bool, Field(description="Say what would change, and change nothing")] = False


class TimetableAnswer(Schema):
    """How many sessions got, or would get, how many times."""

    dry_run: bool
    sessions: int
    times: int


@router.get("/sessions/{id}/times", name="readTimes", summary="When a session meets")
async def read_times(session_id: SessionId, adsum: OpenAdsum, caller: Reader) -> Times:
    """From Monday morning on. None: nobody has said when it meets."""
    return Times.of(await adsum.timetables.times(session_id, caller))


@router.put("/sessions/{id}/times", name="replaceTimes", summary="Say when a session meets")
async def replace_times(session_id: SessionId, body: Times, adsum: OpenAdsum, caller: Manager) -> Times:
    """All times of the session are replaced by these."""
    times = [SessionTime(time.weekday, time.begins, time.ends) for time in body.times]
    return Times.of(await adsum.timetables.replace(session_id, times, caller))


@router.post(
    "/schools/{schoolId}/timetable",
    name="importTimetable",
    summary="Import a timetable from CSV",
    openapi_extra={"requestBody": _BODY},
)
async def import_timetable(
    school_id: Annotated[PathId, Path(alias="schoolId")],
    request: Request,
    query: Annotated[TimetableQuery, Query()],
    adsum: OpenAdsum,
    caller: Manager,
) -> TimetableAnswer:
    """Columns class, session, weekday, begins, ends. Every session that is named gets these times; all, or nothing.

    A class is named by its sourced id or ours, a session by its period, which may be empty, or by our id.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != CSV_TYPE:
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    report = await adsum.timetables.import_csv(school_id, await request.body(), caller, dry_run=query.dry_run)
    return TimetableAnswer.model_validate(report)
