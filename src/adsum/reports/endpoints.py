"""`/reports`: attendance rates and lists of absent students, each with the definition of what is counted."""

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
from adsum.platform.http.queries import Day, PageQuery, Words
from adsum.platform.http.rate_limits import costly
from adsum.platform.http.schemas import PathId
from adsum.platform.paging import PageRequest
from adsum.reports.rules import (
    DEFAULT_CHRONIC_RULE,
    DEFAULT_STREAK_DAYS,
    MAX_LEAST_DAYS,
    ChronicRule,
    Extent,
    GroupBy,
    Scope,
)
from adsum.reports.schemas import (
    RateItem,
    RatesAnswer,
    StreakItem,
    StreaksAnswer,
    StudentRecordAnswer,
    UnexplainedAnswer,
    UnexplainedItem,
)
from adsum.reports.service import Reports

router = APIRouter(prefix="/reports", tags=["reports"])
Reader = Annotated[Caller, Depends(require(Permission.ATTENDANCE_READ))]
Exports = Annotated[ListExports, Depends(provided(ListExports))]
ReportsService = Annotated[Reports, Depends(provided(Reports))]
Percent = Annotated[int, Field(ge=1, le=100, description="Minimum percentage of the days.")]
LeastDays = Annotated[int, Field(ge=1, le=MAX_LEAST_DAYS, description="Students with fewer days are left out.")]


class ReportQuery(PageQuery):
    """The scope of a report; days are inclusive."""

    school_id: Annotated[PathId, Field(description="The school of the report.")]
    first_day: Annotated[Day, Field(alias="from", description="The first day of the report, as `YYYY-MM-DD`.")]
    last_day: Annotated[Day, Field(alias="to", description="The last day of the report, inclusive, as `YYYY-MM-DD`.")]
    class_id: PathId | None = None
    grade: Words | None = None

    @property
    def scope(self) -> Scope:
        return Scope(self.school_id, self.first_day, self.last_day, self.class_id, None, self.grade)


class RatesQuery(ReportQuery):
    """The groups and the scope of rates."""

    by: Annotated[
        GroupBy, Field(description="The groups: one item for each school, class, grade, student, day, week or month.")
    ]
    student_id: PathId | None = None

    @property
    def scope(self) -> Scope:
        return Scope(self.school_id, self.first_day, self.last_day, self.class_id, self.student_id, self.grade)


class ChronicQuery(ReportQuery):
    """The rule of chronic absence."""

    percent: Percent = DEFAULT_CHRONIC_RULE.percent
    least_days: LeastDays = DEFAULT_CHRONIC_RULE.least_days

    @property
    def rule(self) -> ChronicRule:
        return ChronicRule(self.percent, self.least_days)


class StreaksQuery(ReportQuery):
    """The least number of days in a row."""

    least_days: Annotated[
        int, Field(ge=1, le=MAX_LEAST_DAYS, description="The least number of days in a row, 1 to 400.")
    ] = DEFAULT_STREAK_DAYS


class UnexplainedQuery(ReportQuery):
    """The scope, and how much of the day the students missed."""

    extent: Annotated[
        Extent | None, Field(description="Only absences from all sessions of the day, or only from a part of them.")
    ] = None


@router.get(
    "/rates",
    name="listRates",
    summary="Attendance rates by group or period",
    response_model=RatesAnswer,
    responses=AS_FILE,
)
@costly
async def list_rates(
    query: Annotated[RatesQuery, Query()],
    reports: ReportsService,
    exports: Exports,
    caller: Reader,
    accept: Accept = "",
) -> RatesAnswer | StreamingResponse:
    """Attendance rates by school, class, grade, student, or period. By day it is what a calendar heat map shows.

    A teacher sees their own classes, on the days on which they taught them.
    """

    async def fetch(page: PageRequest) -> RatesAnswer:
        return RatesAnswer.of_report(await reports.rates(query.scope, query.by, caller, page), RateItem.of)

    return await page_or_file(accept, "rates", partial(exports.begin, caller), query, RateItem, fetch)


@router.get(
    "/chronic-absence",
    name="listChronicAbsence",
    summary="Students who are chronically absent",
    response_model=RatesAnswer,
    responses=AS_FILE,
)
@costly
async def list_chronic_absence(
    query: Annotated[ChronicQuery, Query()],
    reports: ReportsService,
    exports: Exports,
    caller: Reader,
    accept: Accept = "",
) -> RatesAnswer | StreamingResponse:
    """Students who are chronically absent, the most absent days first."""

    async def fetch(page: PageRequest) -> RatesAnswer:
        return RatesAnswer.of_report(await reports.chronic(query.scope, query.rule, caller, page), RateItem.of)

    return await page_or_file(accept, "chronic-absence", partial(exports.begin, caller), query, RateItem, fetch)


@router.get(
    "/absences-in-a-row",
    name="listAbsencesInARow",
    summary="Students who are absent on consecutive days",
    response_model=StreaksAnswer,
    responses=AS_FILE,
)
@costly
async def list_absences_in_a_row(
    query: Annotated[StreaksQuery, Query()],
    reports: ReportsService,
    exports: Exports,
    caller: Reader,
    accept: Accept = "",
) -> StreaksAnswer | StreamingResponse:
    """Students who are absent on consecutive days up to the last day of the period, the most days first."""

    async def fetch(page: PageRequest) -> StreaksAnswer:
        return StreaksAnswer.of_report(
            await reports.streaks(query.scope, query.least_days, caller, page), StreakItem.of
        )

    return await page_or_file(accept, "absences-in-a-row", partial(exports.begin, caller), query, StreakItem, fetch)


@router.get(
    "/unexplained-absences",
    name="listUnexplainedAbsences",
    summary="Unexplained absences",
    response_model=UnexplainedAnswer,
    responses=AS_FILE,
)
@costly
async def list_unexplained_absences(
    query: Annotated[UnexplainedQuery, Query()],
    reports: ReportsService,
    exports: Exports,
    caller: Reader,
    accept: Accept = "",
) -> UnexplainedAnswer | StreamingResponse:
    """Unexplained absences, one item for each student and day, the newest day first."""

    async def fetch(page: PageRequest) -> UnexplainedAnswer:
        found = await reports.unexplained(query.scope, caller, page, query.extent)
        return UnexplainedAnswer.of_report(found, UnexplainedItem.of)

    return await page_or_file(
        accept, "unexplained-absences", partial(exports.begin, caller), query, UnexplainedItem, fetch
    )


@router.get("/students/{id}", name="getStudentReport", summary="A student's record, day by day")
@costly
async def get_student_report(
    student_id: Annotated[PathId, Path(alias="id")],
    query: Annotated[ChronicQuery, Query()],
    reports: ReportsService,
    caller: Reader,
) -> StudentRecordAnswer:
    """The record of one student. A teacher sees the part that was recorded in their classes."""
    return StudentRecordAnswer.of(await reports.student(query.scope, student_id, query.rule, caller))
