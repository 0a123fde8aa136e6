"""Wire format of the exported data of a student."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import Field

from adsum.platform.http.schemas import Moment, RosterText, Schema, SentSchema
from adsum.privacy.record_schemas import (
    AnswerOfData,
    ChangeOfData,
    ConflictOfData,
    ContradictionOfData,
    DayOfData,
    DeskEntryOfData,
    FailureOfData,
    KeptRecordOfData,
    MonthOfData,
    RecordOfData,
    RequestOfData,
    SingleRecordOfData,
    UnmarkedOfData,
)


class StudentOfData(Schema):
    """The student."""

    id: int
    sourced_id: str | None
    given_name: str
    family_name: str
    grade: str | None
    active: bool
    school: Annotated[str, Field(description="The name of the school.")]


class SchoolOfData(Schema):
    """Another school of the student. `active`: whether its newest roster file has them; a former school has not.

    `sourcedId`: names the student in its roster.
    """

    school: Annotated[str, Field(description="The name of the school.")]
    sourced_id: str | None = None
    active: Annotated[bool, Field(description="Whether the newest roster of the school has the student.")]


class StudentContactOfData(Schema):
    """A guardian, parent or relative, whom the roster of a school names."""

    school: Annotated[str, Field(description="The name of the school.")]
    sourced_id: str
    role: Annotated[str, Field(description="`guardian`, `parent` or `relative`.")]
    given_name: str
    family_name: str
    phone: str | None
    sms: Annotated[str | None, Field(description="The number for text messages; null: none.")]
    email: Annotated[str | None, Field(description="An email address of the roster; null: none.")]


class EnrolmentOfData(Schema):
    """An enrolment. `endDate` is the first day without the student."""

    class_id: int
    class_title: str
    sourced_id: str | None = None
    begin_date: date | None
    end_date: date | None


class SeatOfData(Schema):
    """The place of the student in the seating order of a class, from 1."""

    class_id: int
    class_title: str
    place: Annotated[int, Field(description="The place in the seating order, from 1.")]


class PendingBatchOfData(Schema):
    """A batch to which an absence is applied when its open run ends."""

    learning_date: date
    class_id: int
    session_id: int


class AbsenceContentOfData(Schema):
    """The fields of a planned absence."""

    first_day: date
    last_day: date
    session_ids: Annotated[list[int] | None, Field(description="Only these sessions; null: all sessions.")]
    from_time: str | None
    to_time: str | None
    status: Annotated[str, Field(description="The code of the status that registers record for these days.")]
    reason: str


class AbsenceVersionOfData(AbsenceContentOfData):
    """One version of a planned absence."""

    version: int
    revoked: Annotated[bool, Field(description="Whether the absence is revoked in this version.")]
    changed_at: Moment
    changed_role: str


class AbsenceOfData(AbsenceContentOfData):
    """A planned absence. Revoked absences are included."""

    id: int
    version: int
    revoked_at: Moment | None
    versions: Annotated[list[AbsenceVersionOfData], Field(description="Every version of the absence.")] = []
    pending: Annotated[
        list[PendingBatchOfData], Field(description="Batches to which the absence is applied when their open run ends.")
    ] = []


class ContactOfData(Schema):
    """A call about an unexplained absence."""

    day: date
    result: str
    person: str | None
    note: Annotated[str | None, Field(description="The words of the conversation, up to 500 characters; null: none.")]
    contacted_at: Moment
    contacted_role: str


class RemovedRecordOfData(Schema):
    """A second record of the student, as it was before the merge."""

    id: int
    sourced_id: str | None
    given_name: str
    family_name: str
    grade: str | None


class ResolvedOfData(Schema):
    """A session and day on which both had a record, and the changes of the removed one. `prefer`: which one holds."""

    learning_date: date
    class_id: int
    session_id: int
    prefer: Annotated[str, Field(description="The record that holds: `keep`, or `remove`.")]
    kept: Annotated[SingleRecordOfData, Field(description="The record of the student who stayed.")]
    removed: Annotated[SingleRecordOfData, Field(description="The record of the student who was removed.")]
    changes: Annotated[list[ChangeOfData], Field(description="The changes of the removed record, the oldest first.")]


class MovedOfData(Schema):
    """The numbers of rows that a merge moved."""

    records: int
    absences: int
    enrolments: int
    disputed_marks: int
    failures: int


class MergeOfData(Schema):
    """A second record that was merged into the student's."""

    removed: Annotated[
        RemovedRecordOfData, Field(description="The second record of the student, as it was before the merge.")
    ]
    moved: MovedOfData
    resolved: Annotated[list[ResolvedOfData], Field(description="Sessions and days on which both had a record.")]
    merged_at: Moment
    merged_role: str


class HoldOfData(Schema):
    """A hold on the data, in effect until `liftedAt`."""

    reason: Annotated[str, Field(description="The kind of the case.")]
    reference: str | None
    placed_at: Moment
    placed_role: str
    lifted_at: Moment | None
    lifted_role: str | None


class AuditEntryOfData(Schema):
    """An entry of the audit log about the student: their data was read, handed over or changed.

    `callerRole` is `system` for the command line. `callerKeyId`: the program that has acted, by its API key.
    """

    created_at: Moment
    action: Annotated[str, Field(description="The action, such as `student_exported`.")]
    caller_role: str | None
    caller_key_id: int | None


class StudentDataAnswer(Schema):
    """All data about a student."""

    student: Annotated[StudentOfData, Field(description="The student, as in the roster.")]
    enrolments: Annotated[list[EnrolmentOfData], Field(description="Enrolments in classes, past ones included.")]
    records: Annotated[list[RecordOfData], Field(description="Attendance records with their history.")]
    requests: Annotated[list[RequestOfData], Field(description="Requested marks of runs whose plan is still stored.")]
    failures: Annotated[list[FailureOfData], Field(description="Marks that could not be recorded.")]
    absences: Annotated[list[AbsenceOfData], Field(description="Planned absences, revoked ones included.")] = []
    contradictions: Annotated[
        list[ContradictionOfData], Field(description="Marks of teachers that contradict the office.")
    ] = []
    kept_records: Annotated[
        list[KeptRecordOfData], Field(description="Runs that left the student's record unchanged.")
    ] = []
    conflicts: Annotated[
        list[ConflictOfData], Field(description="Marks that were not applied, in stored responses.")
    ] = []
    answers: Annotated[
        list[AnswerOfData], Field(description="Parts of responses that are stored under idempotency keys.")
    ] = []
    days: Annotated[list[DayOfData], Field(description="The summary of each day.")] = []
    months: Annotated[list[MonthOfData], Field(description="The summary of each month.")] = []
    schools: Annotated[list[SchoolOfData], Field(description="Other schools of the student.")] = []
    seats: Annotated[list[SeatOfData], Field(description="Places in seating orders.")] = []
    unmarked: Annotated[
        list[UnmarkedOfData], Field(description="Partly taken registers in which the student has no mark.")
    ] = []
    holds: Annotated[list[HoldOfData], Field(description="Holds on the data.")] = []
    merges: Annotated[list[MergeOfData], Field(description="Second records that were merged into this one.")] = []
    contacts: Annotated[list[ContactOfData], Field(description="Calls about absences.")] = []
    student_contacts: Annotated[list[StudentContactOfData], Field(description="Guardians, parents and relatives.")] = []
    desk_entries: Annotated[list[DeskEntryOfData], Field(description="Late arrivals and early departures.")] = []
    audit_entries: Annotated[
        list[AuditEntryOfData], Field(description="Entries of the audit log about the student.")
    ] = []


class ErasedAnswer(Schema):
    """The erased student, and the number of their records."""

    student_id: int
    records: Annotated[int, Field(description="The number of attendance records that were erased.")]


class Readmission(SentSchema):
    """An erased student who may come back: their id in the roster of the school."""

    sourced_id: Annotated[
        RosterText,
        Field(min_length=1, max_length=255, description="The id of the erased student in the roster of the school."),
    ]
