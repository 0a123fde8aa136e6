"""`GET /covers/needed`: the sessions of a teacher who is away, and who is free in each."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from adsum.accounts.access import Caller, Permission
from adsum.accounts.authentication import require
from adsum.platform.http.dependencies import provided
from adsum.platform.http.json_bodies import JsonRoute
from adsum.platform.http.queries import Day, WholeQuery
from adsum.platform.http.schemas import PathId
from adsum.roster.covers.by_teacher.schemas import CoverNeeds
from adsum.roster.covers.by_teacher.service import TeachersAway

router = APIRouter(prefix="/covers", tags=["schools"], route_class=JsonRoute)


class NeededQuery(WholeQuery):
    """A teacher, and the days on which they are away."""

    teacher_id: Annotated[PathId, Field(description="The id of the user who is away.")]
    first_day: Annotated[
        Day, Field(alias="from", description="The first day on which the teacher is away, as `YYYY-MM-DD`.")
    ]
    last_day: Annotated[Day, Field(alias="to", description="Inclusive; at most 14 days.")]


@router.get("/needed", name="listNeededCovers", summary="Sessions of a teacher who is away")
async def list_needed_covers(
    query: Annotated[NeededQuery, Query()],
    teachers: Annotated[TeachersAway, Depends(provided(TeachersAway))],
    caller: Annotated[Caller, Depends(require(Permission.SCHOOL_MANAGE))],
) -> CoverNeeds:
    """The sessions that the teacher teaches or covers, day by day, with the teachers of the school who have none at
    that time. `assignCovers` assigns several covers at once.
    """
    return CoverNeeds.of(await teachers.plan(query.teacher_id, query.first_day, query.last_day, caller))
