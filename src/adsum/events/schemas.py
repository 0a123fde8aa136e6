"""Wire format of events: one model for each type. Its data contain ids, days and counts, never names or notes."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, TypeAdapter
from pydantic_core import PydanticCustomError

from adsum.batches.rules import Outcome
from adsum.events.rules import VERSION, Event, EventFilters
from adsum.platform.database.new_events import EventType
from adsum.platform.days import TIME_PATTERN
from adsum.platform.http.queries import WholeQuery
from adsum.platform.http.schemas import Moment, Schema
from adsum.platform.ids import MAX_ID
from adsum.platform.paging import DEFAULT_LIMIT, MAX_LIMIT, POSITION_PATTERN
from adsum.registers.rules import RegisterState

LocalTime = Annotated[str, Field(description="A local time of the school.", pattern=TIME_PATTERN)]

ErasableStudent = Annotated[int | None, Field(description="The `id` of the student; null: the student was erased.")]


class _Session(Schema):
    class_id: int
    session_id: int
    learning_date: date


class BatchData(_Session):
    """A batch and its run."""

    batch_id: str
    run_id: str
    total_jobs: int


class StudentOutcome(Schema):
    """The outcome of one student."""

    student_id: int
    outcome: Annotated[Outcome, Field(description="The outcome of the attendance job.")]
    status: Annotated[str | None, Field(description="The recorded status; null unless the outcome is `recorded`.")]
    reason: Annotated[str | None, Field(description="The code of a failure; null unless the outcome is `failed`.")]


class EndedBatchData(BatchData):
    """A batch whose run has ended, with the outcome of each student of the run. A retry has the students whom it
    tried again; its counts are those of the batch.
    """

    recorded_jobs: int
    skipped_jobs: int
    failed_jobs: int
    cancelled_jobs: int
    students: Annotated[list[StudentOutcome], Field(description="Empty if the run has been pruned.")]


class ChangedMarkData(_Session):
    """A record after a change."""

    attendance_id: int
    student_id: ErasableStudent
    status: Annotated[str | None, Field(description="The new status; null if the mark was cleared.")]
    previous_status: Annotated[str | None, Field(description="The status before; null if there was no mark.")]
    version: Annotated[int, Field(description="The version of the record after the change.")]


class TakenRegisterData(_Session):
    """A register whose `expected` students all have a mark."""

    batch_id: Annotated[str, Field(description="The id of the batch of the class, session and day.")]
    expected: Annotated[int, Field(description="Students of the register.")]


class MissingRegisterData(_Session):
    """A register that is late. `marked` of `expected` students have a mark."""

    state: Annotated[RegisterState, Field(description="`missing`, or `partial` if some students have a mark.")]
    marked: Annotated[int, Field(description="Students of the register with a mark.")]
    expected: Annotated[int, Field(description="Students of the register.")]
    began_at: Annotated[LocalTime, Field(description="The local time at which the session began.")]


class UnexplainedAbsence(_Session):
    """An absence without explanation."""

    attendance_id: int
    status: Annotated[str, Field(description="The recorded status.")]


class UnexplainedStudentData(Schema):
    """A student who is absent on a day without explanation, with the absences that are known by then."""

    student_id: ErasableStudent
    learning_date: date
    absences: Annotated[list[UnexplainedAbsence], Field(description="The unexplained absences of the day.")]


class AbsenceData(Schema):
    """A planned absence. Its reason is not part of the event."""

    absence_id: Annotated[int, Field(description="The `id` of the planned absence.")]
    student_id: ErasableStudent
    version: Annotated[int, Field(description="The version of the absence, from 1.")]
    from_: Annotated[date, Field(alias="from", description="The first day.")]
    to: Annotated[date, Field(description="The last day, included.")]
    status: Annotated[str, Field(description="The status that registers record.")]
    session_ids: Annotated[list[int] | None, Field(description="Only these sessions; null: all sessions.")]
    from_time: Annotated[str | None, Field(description="From this local time `HH:MM` on; null: all day.")]
    to_time: Annotated[str | None, Field(description="Until this local time `HH:MM`; null: all day.")]


class ImportedRosterData(Schema):
    """A roster that was imported, with the number of rows of all its tables."""

    added: Annotated[int, Field(description="Rows that were added.")]
    changed: Annotated[int, Field(description="Rows that were changed.")]
    ended: Annotated[int, Field(description="Rows that have ended.")]
    unchanged: Annotated[int, Field(description="Rows that stayed the same.")]
    failed: Annotated[int, Field(description="Findings: rows that were left out.")]


class DisabledWebhookData(Schema):
    """A webhook that Adsum has disabled."""

    webhook_id: Annotated[int, Field(description="The `id` of the webhook.")]
    reason: Annotated[
        Literal["failing", "gone"],
        Field(description="`failing`: deliveries failed for three days; `gone`: the receiver answered 410."),
    ]


class _Event(Schema):
    id: Annotated[
        int, Field(description="The position of the event. It is also its cursor, and no other event gets it.")
    ]
    version: Annotated[int, Field(description="The version of the data of this type.")]
    school_id: Annotated[int | None, Field(description="The school; null: the event is about all schools.")]
    occurred_at: Annotated[Moment, Field(description="When it happened.")]


class BatchAccepted(_Event):
    """A batch was accepted, and is being processed."""

    type: Annotated[
        Literal[EventType.BATCH_ACCEPTED], Field(description="The type, which determines the form of `data`.")
    ]
    data: Annotated[BatchData, Field(description="The batch and its run.")]


class BatchCompleted(_Event):
    """A batch is complete, and no student failed."""

    type: Annotated[
        Literal[EventType.BATCH_COMPLETED], Field(description="The type, which determines the form of `data`.")
    ]
    data: Annotated[EndedBatchData, Field(description="The batch with the outcome of each student.")]


class BatchCompletedWithErrors(_Event):
    """A batch is complete, and students failed."""

    type: Annotated[
        Literal[EventType.BATCH_COMPLETED_WITH_ERRORS],
        Field(description="The type, which determines the form of `data`."),
    ]
    data: Annotated[EndedBatchData, Field(description="The batch with the outcome of each student.")]


class BatchCancelled(_Event):
    """A batch was cancelled. Records that were made before stay."""

    type: Annotated[
        Literal[EventType.BATCH_CANCELLED], Field(description="The type, which determines the form of `data`.")
    ]
    data: Annotated[EndedBatchData, Field(description="The batch with the outcome of each student.")]


class AttendanceCorrected(_Event):
    """The mark of a student was changed after it had been recorded, by a person, a planned absence or an undo."""

    type: Annotated[
        Literal[EventType.ATTENDANCE_CORRECTED], Field(description="The type, which determines the form of `data`.")
    ]
    data: Annotated[ChangedMarkData, Field(description="The record after the change.")]


class AttendanceCleared(_Event):
    """The mark of a student was removed."""

    type: Annotated[
        Literal[EventType.ATTENDANCE_CLEARED], Field(description="The type, which determines the form of `data`.")
    ]
    data: Annotated[ChangedMarkData, Field(description="The record after the change.")]


class RegisterTaken(_Event):
    """The last student of a register got a mark, however it came. Once for each register: a student who joins later can
    make it incomplete again.
    """

    type: Annotated[
        Literal[EventType.REGISTER_TAKEN], Field(description="The type, which determines the form of `data`.")
    ]
    data: Annotated[TakenRegisterData, Field(description="The batch whose run completed the register.")]


class RegisterMissing(_Event):
    """A register is not taken `ADSUM_REGISTER_MISSING_MINUTES` after its session began. Once for each register."""

    type: Annotated[
        Literal[EventType.REGISTER_MISSING], Field(description="The type, which determines the form of `data`.")
    ]
    data: Annotated[MissingRegisterData, Field(description="The register that is late.")]


class StudentUnexplained(_Event):
    """A student is absent without explanation `ADSUM_UNEXPLAINED_MINUTES` after the mark. Once for each day."""

    type: Annotated[
        Literal[EventType.STUDENT_UNEXPLAINED], Field(description="The type, which determines the form of `data`.")
    ]
    data: Annotated[UnexplainedStudentData, Field(description="The student with the absences that are known by then.")]


class AbsenceEntered(_Event):
    """A planned absence was entered."""

    type: Annotated[
        Literal[EventType.ABSENCE_ENTERED], Field(description="The type, which determines the form of `data`.")
    ]
    data: Annotated[AbsenceData, Field(description="The planned absence, without its reason.")]


class AbsenceChanged(_Event):
    """A planned absence was changed."""

    type: Annotated[
        Literal[EventType.ABSENCE_CHANGED], Field(description="The type, which determines the form of `data`.")
    ]
    data: Annotated[AbsenceData, Field(description="The planned absence, without its reason.")]


class AbsenceRevoked(_Event):
    """A planned absence was revoked."""

    type: Annotated[
        Literal[EventType.ABSENCE_REVOKED], Field(description="The type, which determines the form of `data`.")
    ]
    data: Annotated[AbsenceData, Field(description="The planned absence, without its reason.")]


class RosterImported(_Event):
    """A roster was imported."""

    type: Annotated[
        Literal[EventType.ROSTER_IMPORTED], Field(description="The type, which determines the form of `data`.")
    ]
    data: Annotated[ImportedRosterData, Field(description="The numbers of rows of all tables.")]


class WebhookDisabled(_Event):
    """A webhook was disabled, because its receiver does not take deliveries any more."""

    type: Annotated[
        Literal[EventType.WEBHOOK_DISABLED], Field(description="The type, which determines the form of `data`.")
    ]
    data: Annotated[DisabledWebhookData, Field(description="The webhook and the reason.")]


EventItem = Annotated[
    BatchAccepted
    | BatchCompleted
    | BatchCompletedWithErrors
    | BatchCancelled
    | AttendanceCorrected
    | AttendanceCleared
    | RegisterTaken
    | RegisterMissing
    | StudentUnexplained
    | AbsenceEntered
    | AbsenceChanged
    | AbsenceRevoked
    | RosterImported
    | WebhookDisabled,
    Field(discriminator="type"),
]
"""An event of any type."""

_EVENT: TypeAdapter[EventItem] = TypeAdapter(EventItem)


def event_item(event: Event) -> EventItem:
    """An event as the feed returns it and webhooks deliver it."""
    return _EVENT.validate_python(
        {
            "id": event.id,
            "type": event.type,
            "version": VERSION,
            "schoolId": event.school_id,
            "occurredAt": event.occurred_at,
            "data": event.data,
        }
    )


def _names(types: str) -> list[str]:
    return [name.strip() for name in types.split(",") if name.strip()]


def _known_types(types: str) -> str:
    unknown = sorted(set(_names(types)).difference(EventType))
    if unknown:
        named = ", ".join(unknown)
        raise PydanticCustomError("unknown_event_type", "no event has the type {named}", {"named": named})
    return types


class EventPageItem(Schema):
    """A part of the feed."""

    items: Annotated[list[EventItem], Field(description="The events, in their order.")]
    next_cursor: Annotated[
        str, Field(description="The `after` of the next request. It is never null: the feed has no end.")
    ]
    has_more: Annotated[
        bool, Field(description="Whether events follow at once, so that the next request needs no pause.")
    ]


class EventQuery(WholeQuery):
    """The filters of `GET /events`."""

    after: Annotated[
        str | None,
        Field(
            pattern=POSITION_PATTERN,
            description="The `nextCursor` of the page before, or the `id` of an event. Without it: the oldest event "
            "that is kept. `latest`: no event, but the cursor of what happens from now on.",
        ),
    ] = None
    types: Annotated[
        str | None,
        AfterValidator(_known_types),
        Field(max_length=500, description="Types, separated by commas, such as `batch.completed,register.missing`."),
    ] = None
    school_id: Annotated[int | None, Field(ge=1, le=MAX_ID, description="Only events about this school.")] = None
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT, description="The maximum number of events.")] = DEFAULT_LIMIT

    @property
    def filters(self) -> EventFilters:
        return EventFilters(frozenset(_names(self.types or "")), self.school_id)
