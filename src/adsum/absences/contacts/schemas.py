"""Contacts and the call list in the API, in files and in `--json`."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from adsum.absences.contacts.rules import (
    MAX_PERSON,
    ContactFilters,
    ContactResult,
    EnteredContact,
    NewContact,
    StudentToCall,
)
from adsum.attendance.rules import DescribedRecord
from adsum.attendance.statuses.rules import MAX_CODE
from adsum.platform.http.queries import Day, LastDay, PageQuery
from adsum.platform.http.schemas import Id, Moment, Note, PathId, PlainText, Schema, SentSchema


class EnterContact(SentSchema):
    """A call about the absence of a student. Only the office reads `person` and `note`."""

    student_id: Id
    school_id: Annotated[
        Id | None, Field(description="The `id` of the school; default: the home school of the student.")
    ] = None
    day: Annotated[
        Day | None,
        Field(alias="date", description="The day of the absence, as `YYYY-MM-DD`; default: today at the school."),
    ] = None
    result: Annotated[ContactResult, Field(description="How the call ended. `other` needs a `note`.")]
    person: Annotated[
        PlainText | None, Field(max_length=MAX_PERSON, description="The person who was called, such as `mother`.")
    ] = None
    note: Annotated[Note | None, Field(description="The words of the conversation; required for `other`.")] = None
    explain_as: Annotated[
        PlainText | None,
        Field(max_length=MAX_CODE, description="An authorised absence, which explains the absence of the day."),
    ] = None

    def to_contact(self) -> NewContact:
        return NewContact(self.result, self.person, self.note, self.explain_as)


class ContactItem(Schema):
    """A contact about an absence. It stays as it is."""

    id: int
    school_id: int
    student_id: int
    day: Annotated[date, Field(alias="date", description="The day of the absence, as `YYYY-MM-DD`.")]
    result: ContactResult
    person: str | None
    note: Annotated[str | None, Field(description="The words of the conversation, up to 500 characters; null: none.")]
    contacted_at: Moment
    contacted_by_role: str
    contacted_by_user_id: int | None
    contacted_by_key_id: int | None


class EnteredContactItem(ContactItem):
    """A contact that was entered."""

    explained: Annotated[int | None, Field(description="Number of records explained; null without `explainAs`.")]

    @classmethod
    def of(cls, entered: EnteredContact) -> EnteredContactItem:
        item = ContactItem.model_validate(entered.contact)
        return cls(**item.model_dump(), explained=entered.explained)


class ContactQuery(PageQuery):
    """Filters of the list. Days are those of the absences."""

    school_id: PathId | None = None
    student_id: PathId | None = None
    first_day: Annotated[Day | None, Field(alias="from")] = None
    last_day: Annotated[LastDay, Field(alias="to")] = None

    @property
    def filters(self) -> ContactFilters:
        return ContactFilters(self.school_id, self.student_id, self.first_day, self.last_day)


class ToCallQuery(PageQuery):
    """The school and the day of the call list."""

    school_id: Annotated[PathId, Field(description="The school of the call list.")]
    day: Annotated[
        Day | None, Field(alias="date", description="The day, as `YYYY-MM-DD`; default: today at the school.")
    ] = None


class StudentToCallItem(Schema):
    """A student with unexplained absences on the day, and the newest contact about them."""

    day: Annotated[date, Field(alias="date")]
    student_id: int
    sourced_id: Annotated[str | None, Field(description="The `sourcedId` of the student; null: none.")]
    given_name: str | None
    family_name: str | None
    sessions: Annotated[int, Field(description="Number of sessions with an unexplained absence.")]
    classes: Annotated[str, Field(description="Class and title of each of these sessions.")]
    notes: Annotated[str, Field(description="The notes of their marks.")]
    whom_to_call: Annotated[
        str, Field(description="The guardians, parents and relatives in the roster, with their phone numbers.")
    ] = ""
    contacts: Annotated[int, Field(description="Number of contacts about the day.")]
    contacted_at: Annotated[
        Moment | None, Field(description="The moment of the newest call about the day, in UTC; null: none.")
    ]
    contacted_by_user_id: int | None
    result: Annotated[
        ContactResult | None, Field(description="How the newest call about the day ended; null: nobody has called.")
    ]
    person: str | None
    note: Annotated[str | None, Field(description="The words of the conversation, up to 500 characters; null: none.")]

    @classmethod
    def of(cls, student: StudentToCall) -> StudentToCallItem:
        first, newest = student.records[0], student.contacts[0] if student.contacts else None
        return cls(
            day=student.day,
            student_id=student.student_id,
            sourced_id=first.student_source_id,
            given_name=first.given_name,
            family_name=first.family_name,
            sessions=len(student.records),
            classes=", ".join(_place(each) for each in student.records),
            notes=", ".join(each.note for each in student.records if each.note),
            whom_to_call="; ".join(each.text for each in student.people),
            contacts=len(student.contacts),
            contacted_at=newest and newest.contacted_at,
            contacted_by_user_id=newest and newest.contacted_by_user_id,
            result=newest and newest.result,
            person=newest and newest.person,
            note=newest and newest.note,
        )


def _place(record: DescribedRecord) -> str:
    return " · ".join(filter(None, (record.class_title, record.session_title))) or str(record.session_id)
