"""The models of the cover of a teacher who is away."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from adsum.platform.http.schemas import Schema
from adsum.roster.covers.by_teacher.rules import AwayPlan, CoverNeed, FreeTeacher


class HeldTime(Schema):
    """Local times, `HH:MM`."""

    begins: str
    ends: str


class FreeTeacherItem(Schema):
    """A teacher who is free. `sessionsOnDay`: how many sessions they have on that day."""

    teacher_id: Annotated[int, Field(description="The `id` of the user.")]
    given_name: str
    family_name: str
    sessions_on_day: Annotated[int, Field(description="The number of sessions that they have on that day.")]

    @classmethod
    def of(cls, free: FreeTeacher) -> FreeTeacherItem:
        each = free.teacher
        return cls(
            teacher_id=each.id,
            given_name=each.given_name,
            family_name=each.family_name,
            sessions_on_day=free.sessions,
        )


class CoverNeedItem(Schema):
    """A session of the teacher who is away."""

    day: Annotated[date, Field(alias="date")]
    class_id: int
    class_title: str
    session_id: int
    session_title: str
    times: Annotated[list[HeldTime], Field(description="Empty: the times are unknown, and count as the whole day.")]
    with_class: Annotated[list[int], Field(description="Ids of other teachers of the class.")]
    covered_by: Annotated[list[int], Field(description="Ids of teachers who cover the session already.")]
    free: Annotated[list[FreeTeacherItem], Field(description="Those with the fewest sessions on that day first.")]

    @classmethod
    def of(cls, need: CoverNeed) -> CoverNeedItem:
        return cls(
            day=need.day,
            class_id=need.held.class_id,
            class_title=need.held.class_title,
            session_id=need.held.session_id,
            session_title=need.held.title,
            times=[HeldTime(begins=begins, ends=ends) for begins, ends in need.held.times],
            with_class=list(need.with_class),
            covered_by=list(need.covered_by),
            free=[FreeTeacherItem.of(each) for each in need.free],
        )


class CoverNeeds(Schema):
    """The sessions of a teacher on some days."""

    items: Annotated[list[CoverNeedItem], Field(description="The sessions, day by day.")]

    @classmethod
    def of(cls, plan: AwayPlan) -> CoverNeeds:
        return cls(items=[CoverNeedItem.of(need) for need in plan.needs])
