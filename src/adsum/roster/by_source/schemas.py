"""The models of upserts by source id."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from adsum.platform.http.queries import SourcedDay
from adsum.platform.http.schemas import Flag, RosterText, Schema, SentSchema
from adsum.roster.by_source.rules import (
    MAX_NAME,
    MAX_PERIOD,
    SourcedClass,
    SourcedEnrolment,
    SourcedSession,
    SourcedStudent,
)

Name = Annotated[RosterText, Field(min_length=1, max_length=MAX_NAME)]


class ClassOfPlatform(SentSchema):
    """A class."""

    title: Annotated[Name, Field(description="The title of the class, 1 to 255 characters.")]
    code: Annotated[Name | None, Field(description="A short name, such as `MA-7B`, 1 to 255 characters.")] = None
    active: Annotated[Flag, Field(description="`false` if the platform no longer has it. Its records stay.")] = True

    def to_class(self) -> SourcedClass:
        return SourcedClass(self.title, self.code, self.active)


class StudentOfPlatform(SentSchema):
    """A student, whom an enrolment puts into a class. `grade`: `9`, or `9,10` for several."""

    given_name: Annotated[Name, Field(description="1 to 255 characters.")]
    family_name: Annotated[Name, Field(description="1 to 255 characters.")]
    grade: RosterText | None = None
    active: Annotated[Flag, Field(description="`false` if the platform no longer has it. Its records stay.")] = True

    def to_student(self) -> SourcedStudent:
        return SourcedStudent(self.given_name, self.family_name, self.grade, self.active)


class SessionOfPlatform(SentSchema):
    """A session of a class; `period` is unique in the class."""

    class_sourced_id: Name
    title: Annotated[Name, Field(description="The title of the session, 1 to 255 characters.")]
    period: Annotated[
        RosterText,
        Field(max_length=MAX_PERIOD, description="The lesson, such as `2`, up to 64 characters; unique in the class."),
    ] = ""
    active: Annotated[Flag, Field(description="`false` if the platform no longer has it. Its records stay.")] = True

    def to_session(self) -> SourcedSession:
        return SourcedSession(self.class_sourced_id, self.title, self.period, self.active)


class EnrolmentOfPlatform(SentSchema):
    """A student in a class. `endDate` is the first day without the student."""

    class_sourced_id: Name
    student_sourced_id: Name
    begin_date: SourcedDay | None = None
    end_date: SourcedDay | None = None

    def to_enrolment(self) -> SourcedEnrolment:
        return SourcedEnrolment(self.class_sourced_id, self.student_sourced_id, self.begin_date, self.end_date)


class PutAnswer(Schema):
    """The id of the row in Adsum, for create-batch and all other endpoints."""

    id: int
    sourced_id: str
    school_id: int
