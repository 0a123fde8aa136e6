"""Attendance records and their history: in the API, in `--json`, and as columns of a file."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from datetime import date
from operator import attrgetter
from typing import Annotated

from pydantic import Field

from adsum.attendance.correction_rules import Correction, Keep
from adsum.attendance.rules import DescribedRecord, OpenDispute, RecordChange, RecordFilters, VisibleRecord
from adsum.platform.days import TIME_PATTERN
from adsum.platform.files.csv_export import Cell
from adsum.platform.http.queries import Day, LastDay, PageQuery, StatusCode
from adsum.platform.http.schemas import Moment, Note, PathId, PlainText, Schema, SentSchema
from adsum.platform.texts import MAX_REASON

CorrectionReason = Annotated[PlainText, Field(max_length=MAX_REASON, description="The reason, for the history.")]


class RecordQuery(PageQuery):
    """Filters of the list of records; days are inclusive."""

    school_id: PathId | None = None
    class_id: PathId | None = None
    session_id: PathId | None = None
    student_id: PathId | None = None
    first_day: Annotated[Day | None, Field(alias="from", description="First learning date.")] = None
    last_day: Annotated[LastDay, Field(alias="to", description="Last learning date.")] = None
    status: StatusCode | None = None

    @property
    def filters(self) -> RecordFilters:
        return RecordFilters(
            school_id=self.school_id,
            class_id=self.class_id,
            session_id=self.session_id,
            student_id=self.student_id,
            first_day=self.first_day,
            last_day=self.last_day,
            status=self.status,
        )


class SaidInClass(Schema):
    """A teacher's mark for a student whose mark the office has set. The office has not settled it yet."""

    contradiction_id: Annotated[
        int, Field(description="The `id` of the disputed mark, for `POST /contradictions/{id}/settle`.")
    ]
    status: str
    note: str | None
    said_at: Moment
    said_by_role: str
    said_by_user_id: int | None

    @classmethod
    def of(cls, dispute: OpenDispute) -> SaidInClass:
        return cls(
            contradiction_id=dispute.id,
            status=dispute.disputed,
            note=dispute.disputed_note,
            said_at=dispute.disputed_at,
            said_by_role=dispute.disputed_role,
            said_by_user_id=dispute.user_id,
        )


FromRoster = Annotated[str | None, Field(description="From the roster. Names and titles need `roster:read`.")]


class RecordItem(Schema):
    """The record of a student in one session on one day. `status` is null where the mark was cleared."""

    id: int
    batch_id: str
    class_id: int
    session_id: int
    student_id: int
    learning_date: date
    status: Annotated[str | None, Field(description="The code of the status; null: the mark was cleared.")]
    note: str | None
    version: int
    marked_at: Moment
    marked_by_role: str
    marked_by_user_id: Annotated[
        int | None, Field(description="Null: an API key without a person, or the command line.")
    ]
    arrived_at: Annotated[str | None, Field(description="A local time of the school, `HH:MM`; null: not noted.")] = None
    left_at: Annotated[str | None, Field(description="A local time of the school, `HH:MM`; null: not noted.")] = None
    office_note: Annotated[str | None, Field(description="Only the office sees it; null for others.")] = None
    absence_id: Annotated[int | None, Field(description="Of the planned absence that the mark comes from.")] = None
    student_sourced_id: FromRoster = None
    given_name: FromRoster = None
    family_name: FromRoster = None
    class_sourced_id: FromRoster = None
    class_title: FromRoster = None
    session_sourced_id: FromRoster = None
    period: FromRoster = None
    session_title: FromRoster = None
    contradiction: Annotated[
        SaidInClass | None, Field(description="Only of a single record; for lists, see `/contradictions`.")
    ] = None

    @classmethod
    def of(cls, record: DescribedRecord, dispute: OpenDispute | None = None) -> RecordItem:
        return cls(
            id=record.id,
            batch_id=record.batch_id,
            class_id=record.class_id,
            session_id=record.session_id,
            student_id=record.student_id,
            learning_date=record.learning_date,
            status=record.status,
            note=record.note,
            version=record.version,
            marked_at=record.marked_at,
            marked_by_role=record.marked_role,
            marked_by_user_id=record.user_id,
            arrived_at=record.arrived_at,
            left_at=record.left_at,
            office_note=record.office_note,
            absence_id=record.absence_id,
            student_sourced_id=record.student_source_id,
            given_name=record.given_name,
            family_name=record.family_name,
            class_sourced_id=record.class_source_id,
            class_title=record.class_title,
            session_sourced_id=record.session_source_id,
            period=record.period,
            session_title=record.session_title,
            contradiction=SaidInClass.of(dispute) if dispute is not None else None,
        )

    @classmethod
    def of_visible(cls, visible: VisibleRecord) -> RecordItem:
        return cls.of(visible.record, visible.dispute)


COLUMNS = tuple(field.alias or name for name, field in RecordItem.model_fields.items() if name != "contradiction")
"""The columns of a file of records, named as the fields of the API."""

_cells = attrgetter(
    *("id", "batch_id", "class_id", "session_id", "student_id", "learning_date", "status", "note", "version"),
    *("marked_at", "marked_role", "user_id", "arrived_at", "left_at", "office_note", "absence_id"),
    *("student_source_id", "given_name", "family_name", "class_source_id", "class_title"),
    *("session_source_id", "period", "session_title"),
)


def cells(record: DescribedRecord) -> tuple[Cell, ...]:
    """A record under `COLUMNS`. Exports have many rows, so that no model is built for a row."""
    return _cells(record)


async def rows_of_cells(
    chunks: AsyncGenerator[Sequence[DescribedRecord]],
) -> AsyncGenerator[Sequence[Sequence[Cell]]]:
    """Chunks of an export as rows of a file."""
    async with aclosing(chunks):
        async for records in chunks:
            yield [cells(record) for record in records]


class CorrectRecord(SentSchema):
    """A correction. Omitted fields stay; null removes the value, except of `status`."""

    status: Annotated[
        Annotated[PlainText, Field(max_length=32)] | None,
        Field(description="The code of the new status, up to 32 characters."),
    ] = None
    note: Annotated[Note | None, Field(description="The new note, up to 500 characters; null removes it.")] = None
    reason: CorrectionReason | None = None
    arrived_at: Annotated[
        Annotated[str, Field(pattern=TIME_PATTERN)] | None,
        Field(description="The new local time of the arrival, `HH:MM`; null removes it."),
    ] = None
    left_at: Annotated[
        Annotated[str, Field(pattern=TIME_PATTERN)] | None,
        Field(description="The new local time of the departure, `HH:MM`; null removes it."),
    ] = None
    office_note: Annotated[Note, Field(description="Only the office sees it.")] | None = None

    def to_correction(self) -> Correction:
        return Correction(
            status=self.status if self.status is not None else Keep.AS_IS,
            note=self._value_or_keep("note", self.note),
            reason=self.reason,
            arrived_at=self._value_or_keep("arrived_at", self.arrived_at),
            left_at=self._value_or_keep("left_at", self.left_at),
            office_note=self._value_or_keep("office_note", self.office_note),
        )

    def _value_or_keep(self, name: str, value: str | None) -> str | Keep | None:
        return value if name in self.model_fields_set else Keep.AS_IS


class MarkOfVersion(Schema):
    """The mark of a record in one version. `status` is null where the mark was cleared."""

    status: Annotated[str | None, Field(description="The code of the status; null: the mark was cleared.")]
    note: str | None
    arrived_at: str | None = None
    left_at: str | None = None
    office_note: Annotated[str | None, Field(description="Null: the change kept the office's note.")] = None


class ChangeItem(Schema):
    """One version of a record: its author, time and reason, and the mark before it."""

    version: int
    old: Annotated[MarkOfVersion | None, Field(description="Null: the record begins with this version.")]
    new: Annotated[MarkOfVersion, Field(description="The mark of this version.")]
    changed_at: Moment
    changed_by_role: str
    changed_by_user_id: int | None
    changed_by_key_id: int | None
    reason: Annotated[str | None, Field(description="The reason that was given, up to 500 characters; null: none.")]
    run_id: Annotated[str | None, Field(description="The run that made this version; null: a correction.")]
    undoes_run_id: Annotated[str | None, Field(description="The run that this version undoes.")] = None
    absence_id: Annotated[int | None, Field(description="Of the planned absence that the new mark comes from.")] = None

    @classmethod
    def of(cls, change: RecordChange) -> ChangeItem:
        old = MarkOfVersion(
            status=change.old_status,
            note=change.old_note,
            arrived_at=change.old_arrived_at,
            left_at=change.old_left_at,
            office_note=change.old_office_note,
        )
        new = MarkOfVersion(
            status=change.new_status,
            note=change.new_note,
            arrived_at=change.new_arrived_at,
            left_at=change.new_left_at,
            office_note=change.new_office_note,
        )
        return cls(
            version=change.version,
            old=old if change.version > 1 else None,
            new=new,
            changed_at=change.changed_at,
            changed_by_role=change.changed_role,
            changed_by_user_id=change.user_id,
            changed_by_key_id=change.key_id,
            reason=change.reason,
            run_id=change.run_id,
            undoes_run_id=change.undoes_run_id,
            absence_id=change.absence_id,
        )
