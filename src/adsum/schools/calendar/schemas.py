"""Wire format of closed days and terms."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from pydantic import Field

from adsum.platform.days import TIME_PATTERN
from adsum.platform.http.queries import Day, LastDay, PageQuery, WholeQuery
from adsum.platform.http.schemas import Moment, PlainText, Schema, SentSchema
from adsum.platform.texts import MAX_REASON
from adsum.schools.calendar.rules import MAX_TITLE, ClosedDayFilters


class ClosedDayQuery(PageQuery):
    """Filters of the list of closed days."""

    first_day: Annotated[Day | None, Field(alias="from", description="First day.")] = None
    last_day: Annotated[LastDay, Field(alias="to", description="Last day.")] = None

    @property
    def filters(self) -> ClosedDayFilters:
        return ClosedDayFilters(self.first_day, self.last_day)


class OpenedDays(WholeQuery):
    """A range of days to open; at most 366."""

    first_day: Annotated[Day, Field(alias="from", description="The first day to open, as `YYYY-MM-DD`.")]
    last_day: Annotated[Day, Field(alias="to", description="Inclusive.")]


class CloseDay(SentSchema):
    """A closed day: its reason, and the time from which the school is closed."""

    reason: Annotated[
        PlainText,
        Field(min_length=1, max_length=MAX_REASON, description="The reason, such as `Holidays`, 1 to 500 characters."),
    ]
    from_time: Annotated[
        Annotated[str, Field(pattern=TIME_PATTERN)] | None,
        Field(description="Local time from which the school is closed; default: all day."),
    ] = None


class CloseDays(CloseDay):
    """The same closed day for a range, such as holidays; at most 366 days."""

    first_day: Annotated[Day, Field(alias="from")]
    last_day: Annotated[Day, Field(alias="to", description="Inclusive.")]


class ClosedDayItem(Schema):
    """A day on which the school is closed; `fromTime` is null where it is all day."""

    day: Annotated[date, Field(alias="date")]
    reason: Annotated[str, Field(description="The reason, such as `Holidays`.")]
    from_time: Annotated[
        str | None, Field(description="The local time from which the school is closed, `HH:MM`; null: all day.")
    ]
    created_at: Moment
    created_by_role: Annotated[str, Field(validation_alias="created_role")]
    created_by_user_id: Annotated[int | None, Field(validation_alias="user_id")]
    created_by_key_id: Annotated[int | None, Field(validation_alias="key_id", description="Of an API key.")]
    marks: Annotated[int, Field(description="Marks in the sessions that are closed: they stay, and do not count.")] = 0


class ClosedDays(Schema):
    """The closed days of a range."""

    items: Annotated[Sequence[ClosedDayItem], Field(description="The closed days, by day.")]


class AddTerm(SentSchema):
    """A term. `endDate` is the first day after it."""

    title: Annotated[
        PlainText, Field(min_length=1, max_length=MAX_TITLE, description="The name of the term, 1 to 255 characters.")
    ]
    begin_date: Day
    end_date: Day


class TermItem(Schema):
    """A term. `endDate` is the first day after it; `sourcedId` is its id in the roster file.

    `opensSchool`: the school is open in it. A school year that has semesters or terms, and a grading period within
    them, do not open the school.
    """

    id: int
    sourced_id: Annotated[str | None, Field(validation_alias="source_id")]
    title: Annotated[str, Field(description="The name of the term.")]
    begin_date: date
    end_date: date
    kind: Annotated[str | None, Field(alias="type", description="Of OneRoster; null if entered by hand.")] = None
    parent_sourced_id: Annotated[
        str | None,
        Field(
            validation_alias="parent_source_id",
            description="The `sourcedId` of the school year or term that has this one; null: none.",
        ),
    ] = None
    opens_school: Annotated[bool, Field(description="Whether the school is open in it.")] = True
