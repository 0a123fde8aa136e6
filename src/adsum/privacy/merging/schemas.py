"""The JSON of merges."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from pydantic import Field

from adsum.platform.http.problems import MAX_ENTRIES
from adsum.platform.http.queries import Day
from adsum.platform.http.schemas import Flag, Id, Moment, Schema, SentSchema, long_list
from adsum.privacy.merging.rules import Merge, MergeChoices, Prefer, RecordChoice, SingleRecord
from adsum.roster.schemas import StudentItem


class ChoiceBody(SentSchema):
    """The record that holds on a day, in one session or, without `sessionId`, in all of them."""

    learning_date: Day
    session_id: Annotated[Id | None, Field(description="Only this session; null: all sessions of the day.")] = None
    prefer: Prefer


class MergeBody(SentSchema):
    """The record to remove, and which record holds in sessions in which both have one."""

    removed_student_id: Annotated[Id, Field(description="The `id` of the record to remove.")]
    prefer: Annotated[Prefer | None, Field(description="For every session without a choice of its own.")] = None
    choices: Annotated[
        Sequence[ChoiceBody],
        Field(
            max_length=MAX_ENTRIES,
            description="Exceptions from `prefer`: the record that holds on single days and in single sessions.",
        ),
        long_list(MAX_ENTRIES),
    ] = ()
    allow_different_names: Annotated[
        Flag, Field(description="Both are records of one student although their names differ.")
    ] = False
    dry_run: Annotated[Flag, Field(description="Report what would move, and change nothing.")] = False

    def to_choices(self) -> MergeChoices:
        single = [RecordChoice(each.learning_date, each.prefer, each.session_id) for each in self.choices]
        return MergeChoices(self.prefer, single, self.allow_different_names)


class MovedItem(Schema):
    """The numbers of rows that move to the kept student. `records` leaves out `doubles`."""

    records: Annotated[int, Field(description="The number of attendance records, without `doubles`.")]
    absences: int
    enrolments: int
    disputed_marks: int
    failures: int


class SingleRecordItem(Schema):
    """One of two records of a session and day. A cleared mark has no status."""

    id: int
    status: Annotated[str | None, Field(description="The code of the status; null: the mark was cleared.")]
    note: str | None
    arrived_at: str | None
    left_at: str | None
    version: int
    marked_at: Moment
    marked_role: str
    user_id: Annotated[
        int | None,
        Field(
            description="The `id` of the author of the mark; null: an API key without a person, or the command line."
        ),
    ]

    @classmethod
    def of(cls, record: SingleRecord) -> SingleRecordItem:
        return cls(**{name: getattr(record, name) for name in cls.model_fields})


class DoubleRecordItem(Schema):
    """A session and day on which both have a record. `prefer`: the one that holds; null: not chosen yet."""

    learning_date: date
    class_id: int
    class_title: str | None
    session_id: int
    session_title: str | None
    keep: Annotated[SingleRecordItem, Field(description="The record of the student who stays.")]
    remove: Annotated[SingleRecordItem, Field(description="The record of the student who is removed.")]
    prefer: Annotated[Prefer | None, Field(description="The record that holds; null: not chosen yet.")]


class MergeWarning(Schema):
    """Something unusual about the two records, or about the request."""

    code: str
    detail: str


class MergeAnswer(Schema):
    """A merge. `mergedAt` null: nothing was changed."""

    student_id: int
    removed_student_id: int
    student: Annotated[StudentItem, Field(description="The student who stays, as in the roster.")]
    removed: Annotated[StudentItem, Field(description="The student who is removed, as in the roster.")]
    moved: MovedItem
    doubles: Annotated[list[DoubleRecordItem], Field(description="Sessions and days on which both have a record.")]
    merged_at: Moment | None
    merged_role: Annotated[
        str | None, Field(description="The role of the author of the merge; null: nothing was changed.")
    ]
    user_id: Annotated[
        int | None,
        Field(description="The `id` of the author; null: an API key, the command line, or nothing was changed."),
    ]
    warnings: Annotated[
        Sequence[MergeWarning],
        Field(
            description="Of a dry run: `different_names`, `different_schools`. `already_merged`: this is the merge that"
            " happened before, and whether the choices of the request were applied."
        ),
    ] = ()

    @classmethod
    def of(cls, merge: Merge) -> MergeAnswer:
        doubles = [
            DoubleRecordItem(
                learning_date=each.learning_date,
                class_id=each.class_id,
                class_title=each.class_title,
                session_id=each.session_id,
                session_title=each.session_title,
                keep=SingleRecordItem.of(each.kept),
                remove=SingleRecordItem.of(each.removed),
                prefer=each.prefer,
            )
            for each in merge.doubles
        ]
        return cls(
            student_id=merge.student.id,
            removed_student_id=merge.removed.id,
            student=StudentItem.of(merge.student),
            removed=StudentItem.of(merge.removed),
            moved=MovedItem.model_validate(merge.moved),
            doubles=doubles,
            merged_at=merge.merged_at,
            merged_role=merge.merged_role,
            user_id=merge.user_id,
            warnings=[MergeWarning(code=each.code, detail=each.detail) for each in merge.warnings()],
        )


class Merges(Schema):
    """The merges into a student, the newest first."""

    items: Annotated[list[MergeAnswer], Field(description="The merges, the newest first.")]
