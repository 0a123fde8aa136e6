"""`GET /registers`, `GET /registers/missing`, `GET /classes/{id}/roster`, and who is on site and who is unknown."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import StreamingResponse
from pydantic import Field

from adsum.accounts.access import Caller, Permission
from adsum.accounts.audit.exports import ListExports
from adsum.accounts.authentication import require
from adsum.platform.http.dependencies import provided
from adsum.platform.http.list_files import AS_FILE, Accept, page_or_file
from adsum.platform.http.queries import Day, PageQuery, WholeQuery
from adsum.platform.http.rate_limits import costly_as_file
from adsum.platform.http.schemas import Page, PathId, page_of_items
from adsum.platform.paging import PageRequest
from adsum.registers.day_roster import DayRosters
from adsum.registers.on_site.service import OnSite
from adsum.registers.rules import RegisterFilters
from adsum.registers.schemas import PresentItem, RegisterItem, RosterAnswer, UnknownItem
from adsum.registers.service import Registers

router = APIRouter()
AttendanceReader = Annotated[Caller, Depends(require(Permission.ATTENDANCE_READ))]
RosterReader = Annotated[Caller, Depends(require(Permission.ROSTER_READ))]
RegistersService = Annotated[Registers, Depends(provided(Registers))]


class RegisterQuery(PageQuery):
    """Filters of the list of registers."""

    day: Annotated[
        Day | None, Field(alias="date", description="The day, as `YYYY-MM-DD`; default: today at the school.")
    ] = None
    school_id: PathId | None = None
    class_id: PathId | None = None
    teacher_id: Annotated[PathId | None, Field(description="The id of a user who teaches the class on that day.")] = (
        None
    )

    def filters(self, *, missing_only: bool) -> RegisterFilters:
        return RegisterFilters(self.day, self.school_id, self.class_id, self.teacher_id, missing_only)


class RosterQuery(WholeQuery):
    """The day and the session of a roster."""

    day: Annotated[
        Day | None, Field(alias="date", description="The day, as `YYYY-MM-DD`; default: today at the school.")
    ] = None
    session_id: Annotated[PathId | None, Field(description="Adds the planned absences of this session.")] = None


class OnSiteQuery(PageQuery):
    """The school of the on-site list."""

    school_id: Annotated[PathId, Field(description="The school whose students are listed.")]


@router.get("/registers", name="listRegisters", summary="Registers of a day", tags=["registers"])
async def list_registers(
    query: Annotated[RegisterQuery, Query()], registers: RegistersService, caller: AttendanceReader
) -> Page[RegisterItem]:
    """Registers that are due on that day, taken or not, by class and session."""
    return await _page(query, registers, caller, missing_only=False)


@router.get(
    "/registers/missing", name="listMissingRegisters", summary="Registers that are not taken", tags=["registers"]
)
async def list_missing_registers(
    query: Annotated[RegisterQuery, Query()], registers: RegistersService, caller: AttendanceReader
) -> Page[RegisterItem]:
    """Registers that are due on that day and are not taken, or only in part. A teacher sees those of their classes."""
    return await _page(query, registers, caller, missing_only=True)


@router.get("/classes/{classId}/roster", name="getRoster", summary="The roster of a class on a day", tags=["roster"])
async def get_roster(
    class_id: Annotated[PathId, Path(alias="classId")],
    query: Annotated[RosterQuery, Query()],
    rosters: Annotated[DayRosters, Depends(provided(DayRosters))],
    caller: RosterReader,
) -> RosterAnswer:
    """All students who are enrolled that day. `endDate` of an enrolment is the first day without the student."""
    return RosterAnswer.of(await rosters.roster(caller, class_id, query.day, query.session_id))


@router.get(
    "/reports/in-the-house",
    name="listStudentsOnSite",
    summary="Students who are on site now",
    tags=["reports"],
    response_model=Page[PresentItem],
    responses=AS_FILE,
)
@costly_as_file
async def list_students_on_site(
    query: Annotated[OnSiteQuery, Query()],
    on_site: Annotated[OnSite, Depends(provided(OnSite))],
    caller: AttendanceReader,
    _named: RosterReader,
    exports: Annotated[ListExports, Depends(provided(ListExports))],
    accept: Accept = "",
) -> Page[PresentItem] | StreamingResponse:
    """Students whose newest mark of today, in the time zone of the school, has them on site: attended, not elsewhere,
    and not left. A newer arrival or departure at the desk decides instead.
    """

    async def fetch(page: PageRequest) -> Page[PresentItem]:
        found = await on_site.page(query.school_id, caller, page)
        return page_of_items(found, PresentItem.of)

    return await page_or_file(accept, "in-the-house", partial(exports.begin, caller), query, PresentItem, fetch)


@router.get(
    "/reports/in-the-house/unknown",
    name="listUnknownStudents",
    summary="Students of whom nobody knows whether they are on site",
    tags=["reports"],
    response_model=Page[UnknownItem],
    responses=AS_FILE,
)
@costly_as_file
async def list_unknown_students(
    query: Annotated[OnSiteQuery, Query()],
    on_site: Annotated[OnSite, Depends(provided(OnSite))],
    caller: AttendanceReader,
    _named: RosterReader,
    exports: Annotated[ListExports, Depends(provided(ListExports))],
    accept: Accept = "",
) -> Page[UnknownItem] | StreamingResponse:
    """Students in a register that is due today, or partly taken, who have no mark on the school's today, and no arrival
    or departure at the desk.
    """

    async def fetch(page: PageRequest) -> Page[UnknownItem]:
        found = await on_site.unknown_page(query.school_id, caller, page)
        return page_of_items(found, UnknownItem.of)

    return await page_or_file(accept, "unknown", partial(exports.begin, caller), query, UnknownItem, fetch)


async def _page(
    query: RegisterQuery, registers: Registers, caller: Caller, *, missing_only: bool
) -> Page[RegisterItem]:
    page = await registers.page(caller, query.filters(missing_only=missing_only), query.page)
    return page_of_items(page, RegisterItem.model_validate)
