"""Bodies of the API of registers; the command line prints the same."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from pydantic import Field

from adsum.platform.http.schemas import Moment, Schema
from adsum.registers.day_roster import DayRoster
from adsum.registers.rules import OnSiteStudent, RegisterState, UnknownStudent
from adsum.roster.rules import RosterStudent


class TeacherItem(Schema):
    """A teacher of the class on that day."""

    user_id: int
    name: Annotated[str, Field(description="Empty: the roster has none, or the user was erased.")]
    is_erased: Annotated[bool, Field(description="Whether the data of the user were erased.")] = False
    has_login: Annotated[bool, Field(description="Whether they can sign in, and see reminders.")] = True


class ReminderItem(Schema):
    """A reminder of a missing register that the office sent to its teachers, and its author."""

    reminded_at: Moment
    reminded_by_role: str
    reminded_by_user_id: int | None
    reminded_by_key_id: int | None


class RegisterItem(Schema):
    """The register of a class, a session and a day: `marked` of `expected` students have a mark."""

    school_id: int
    class_id: int
    class_name: str
    session_id: int
    session_title: str
    learning_date: date
    teachers: Annotated[
        Sequence[TeacherItem],
        Field(description="The teachers of the class and those who cover the session on that day."),
    ]
    state: Annotated[
        RegisterState, Field(description="`taken`, `partial` if students lack a mark, or `missing` if nobody has one.")
    ]
    marked: Annotated[int, Field(description="The number of students with a mark.")]
    expected: Annotated[int, Field(description="The number of students of the register.")]
    missing_student_ids: Annotated[Sequence[int] | None, Field(description="Null without roster:read.")]
    is_processing: Annotated[bool, Field(description="Whether a run of it is open.")]
    reminder: Annotated[ReminderItem | None, Field(description="The newest one.")] = None


class RosterItem(Schema):
    """A student who is enrolled that day."""

    student_id: int
    sourced_id: str | None
    given_name: str
    family_name: str
    grade: str | None
    known_status: Annotated[
        str | None, Field(description="The status of the planned absence that applies to that session.")
    ] = None

    @classmethod
    def of(cls, student: RosterStudent, planned_status: str | None) -> RosterItem:
        return cls(
            known_status=planned_status,
            student_id=student.student_id,
            sourced_id=student.source_id,
            given_name=student.given_name,
            family_name=student.family_name,
            grade=student.grade,
        )


class RosterAnswer(Schema):
    """A roster, by family name and given name. `rosterVersion` may be sent back with create-batch."""

    class_id: int
    day: Annotated[date, Field(alias="date")]
    roster_version: Annotated[
        str,
        Field(description="An opaque text that create-batch may send back, to be refused if the roster has changed."),
    ]
    items: Annotated[Sequence[RosterItem], Field(description="The students of the day, by family name and given name.")]

    @classmethod
    def of(cls, roster: DayRoster) -> RosterAnswer:
        return cls(
            class_id=roster.of.id,
            day=roster.day,
            roster_version=roster.version,
            items=[RosterItem.of(student, roster.planned_status(student.student_id)) for student in roster.students],
        )


class PresentItem(Schema):
    """A student who is on site, with the class, the session and the time of the newest mark.

    After a newer arrival at the desk, the status is `present`, and the time is that of the entry.
    """

    student_id: int
    given_name: str
    family_name: str
    grade: str | None
    class_id: int
    session_id: int
    status: str
    marked_at: Moment
    sourced_id: Annotated[str | None, Field(description="The `sourcedId` of the student; null: none.")] = None
    class_sourced_id: str | None = None
    class_title: str | None = None
    session_sourced_id: str | None = None
    session_title: str | None = None

    @classmethod
    def of(cls, found: OnSiteStudent) -> PresentItem:
        return cls(
            student_id=found.student_id,
            given_name=found.given_name,
            family_name=found.family_name,
            grade=found.grade,
            class_id=found.class_id,
            session_id=found.session_id,
            status=found.status,
            marked_at=found.marked_at,
            sourced_id=found.source_id,
            class_sourced_id=found.class_source_id,
            class_title=found.class_title,
            session_sourced_id=found.session_source_id,
            session_title=found.session_title,
        )


class UnknownItem(Schema):
    """A student without a mark today, with the newest session whose register is due."""

    student_id: int
    given_name: str
    family_name: str
    grade: str | None
    class_id: int
    session_id: int
    sourced_id: Annotated[str | None, Field(description="The `sourcedId` of the student; null: none.")]
    class_sourced_id: str | None
    class_title: str
    session_sourced_id: str | None
    session_title: str

    @classmethod
    def of(cls, found: UnknownStudent) -> UnknownItem:
        return cls(
            student_id=found.student_id,
            given_name=found.given_name,
            family_name=found.family_name,
            grade=found.grade,
            class_id=found.class_id,
            session_id=found.session_id,
            sourced_id=found.source_id,
            class_sourced_id=found.class_source_id,
            class_title=found.class_title,
            session_sourced_id=found.session_source_id,
            session_title=found.session_title,
        )
