"""The models of timetables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field, Strict

from adsum.platform.days import TIME_PATTERN
from adsum.platform.http.schemas import Schema, SentSchema
from adsum.schools.calendar.rules import MAX_TIMES, SessionTime

Time = Annotated[str, Field(pattern=TIME_PATTERN)]


class TimeItem(SentSchema):
    """A time of the week: `weekday` 1 is Monday, 7 Sunday; local times as HH:MM."""

    weekday: Annotated[int, Strict(), Field(ge=1, le=7, description="1 is Monday, 7 Sunday.")]
    begins: Time
    ends: Time


class Times(SentSchema):
    """All times of a session."""

    times: Annotated[
        Sequence[TimeItem], Field(max_length=MAX_TIMES, description="All times of the session in a week, up to 100.")
    ]

    @classmethod
    def of(cls, times: Sequence[SessionTime]) -> Times:
        return cls(times=[TimeItem.model_validate(time) for time in times])


class TimetableAnswer(Schema):
    """The number of sessions in the file, of their times, and of the sessions that get other times than they have."""

    dry_run: bool
    sessions: Annotated[int, Field(description="The number of sessions in the file.")]
    times: Annotated[int, Field(description="The number of their times.")]
    changed: Annotated[int, Field(description="The number of sessions that get other times than they have.")] = 0
