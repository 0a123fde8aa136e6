"""Bodies of the API of reports; the command line prints the same. Each list carries its definition."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Generic, Self

from pydantic import Field

from adsum.platform.http.schemas import Item, Page, Schema
from adsum.platform.paging import Row
from adsum.reports.rules import Counts, Rate
from adsum.reports.service import Report, Streak, StudentRecord, Unexplained

OfGroup = Annotated[int, Field(description="Students without a mark in partly taken registers; no rate includes them.")]


Minutes = Annotated[int, Field(description="The length of the sessions that have times, in minutes.")]
MinutesMissed = Annotated[
    int, Field(description="Of `minutes`, those of absences, before arrivals and after departures.")
]


class CountsItem(Schema):
    """Sessions and days of single students; rates are percent, null where there were none."""

    sessions: int
    attended: int
    absent: int
    authorised: int
    late: int
    days: int
    days_absent: int
    attendance_rate: Annotated[
        float | None, Field(description="`attended` in percent of `sessions`; null: no session.")
    ]
    days_attendance_rate: Annotated[
        float | None, Field(description="Days that are not absent, in percent of `days`; null: no day.")
    ]


class RateItem(CountsItem):
    """The counts of one group. `key`: an id, a first day or a grade; null: students without a grade."""

    key: Annotated[
        int | str | date | None,
        Field(description="The group: an `id`, a grade, or the first day of a period. Null: students without a grade."),
    ]
    name: Annotated[str | None, Field(description="The name of the group; null: a period, or without `roster:read`.")]
    sourced_id: Annotated[str | None, Field(description="The `sourcedId` of the class or the student; null: none.")] = (
        None
    )
    unmarked: OfGroup = 0
    minutes: Minutes = 0
    minutes_missed: MinutesMissed = 0

    @classmethod
    def of(cls, rate: Rate) -> RateItem:
        return cls(
            key=rate.key,
            name=rate.name,
            sourced_id=rate.source_id,
            unmarked=rate.counts.unmarked,
            minutes=rate.counts.minutes,
            minutes_missed=rate.counts.minutes_missed,
            **_fields(rate.counts),
        )


class StreakItem(Schema):
    """A student who is absent on each of the newest `days` days."""

    student_id: int
    name: Annotated[str | None, Field(description="The name of the student; null without `roster:read`.")]
    days: Annotated[int, Field(description="The number of days in a row, up to the newest one.")]
    since: Annotated[date, Field(description="The first of these days, as `YYYY-MM-DD`.")]
    sourced_id: Annotated[str | None, Field(description="The `sourcedId` of the student; null: none.")] = None

    @classmethod
    def of(cls, streak: Streak) -> StreakItem:
        return cls(
            student_id=streak.student_id,
            name=streak.name,
            days=streak.days,
            since=streak.since,
            sourced_id=streak.source_id,
        )


class StudentDayItem(Schema):
    """A day of a student: the sessions with a mark, and how they went."""

    day: Annotated[date, Field(alias="date")]
    sessions: int
    attended: int
    absent: int
    authorised: int
    late: int
    is_absent: Annotated[bool, Field(description="At least half of the time was missed.")]
    unmarked: Annotated[int, Field(description="Partly taken registers in which the student has no mark.")] = 0
    minutes: Minutes = 0
    minutes_missed: MinutesMissed = 0


class UnexplainedItem(Schema):
    """A day of a student with unexplained absences."""

    day: Annotated[date, Field(alias="date")]
    student_id: int
    name: Annotated[str | None, Field(description="The name of the student; null without `roster:read`.")]
    absent: int
    unexplained: Annotated[int, Field(description="The number of sessions whose status is not authorised.")]
    sourced_id: Annotated[str | None, Field(description="The `sourcedId` of the student; null: none.")] = None
    sessions: Annotated[int, Field(description="The number of sessions of the day with a mark of the student.")] = 0

    @classmethod
    def of(cls, found: Unexplained) -> UnexplainedItem:
        day = found.day
        return cls(
            day=day.day,
            student_id=day.student_id,
            name=found.student.name,
            absent=day.absent,
            unexplained=day.unexplained,
            sourced_id=found.student.source_id,
            sessions=day.sessions,
        )


Unmarked = Annotated[int, Field(description="Students without a mark in partly taken registers of the whole scope.")]


class ReportAnswer(Page[Item], Generic[Item]):
    """A page of a report, and its definition."""

    definition: str
    unmarked: Unmarked = 0

    @classmethod
    def of_report(cls, report: Report[Row], to_item: Callable[[Row], Item]) -> Self:
        return cls(
            items=[to_item(row) for row in report.items],
            next_cursor=report.next_cursor,
            definition=report.definition,
            unmarked=report.unmarked,
        )


class RatesAnswer(ReportAnswer[RateItem]):
    """Rates, and their definition."""


class StreaksAnswer(ReportAnswer[StreakItem]):
    """Absences in a row, and their definition."""


class UnexplainedAnswer(ReportAnswer[UnexplainedItem]):
    """Unexplained absences, and their definition."""


class StudentRecordAnswer(CountsItem):
    """A student's own record: the counts, and each day."""

    student_id: int
    is_chronically_absent: Annotated[
        bool, Field(description="Whether the student meets the rule of chronic absence in `definition`.")
    ]
    definition: str
    calendar: Annotated[
        list[StudentDayItem], Field(description="One item for each day with a mark, the earliest first.")
    ]
    unmarked: OfGroup = 0
    minutes: Minutes = 0
    minutes_missed: MinutesMissed = 0
    elsewhere: Annotated[
        CountsItem | None,
        Field(description="Of the counts, those of days at schools that the caller does not see; `calendar` has none."),
    ] = None

    @classmethod
    def of(cls, record: StudentRecord) -> StudentRecordAnswer:
        return cls(
            student_id=record.student_id,
            is_chronically_absent=record.is_chronically_absent,
            definition=record.definition,
            calendar=[StudentDayItem.model_validate(day) for day in record.days],
            unmarked=record.counts.unmarked,
            minutes=record.counts.minutes,
            minutes_missed=record.counts.minutes_missed,
            elsewhere=CountsItem(**_fields(record.elsewhere)) if record.elsewhere != Counts() else None,
            **_fields(record.counts),
        )


def _fields(counts: Counts) -> dict[str, Any]:
    """The fields of `CountsItem`."""
    return {name: getattr(counts, name) for name in CountsItem.model_fields}
