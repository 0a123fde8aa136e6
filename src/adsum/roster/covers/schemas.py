"""The models of covers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from pydantic import Field

from adsum.platform.http.queries import Day
from adsum.platform.http.schemas import Id, Moment, Schema, SentSchema
from adsum.roster.covers.rules import Cover, CoverRow

MAX_COVERS = 300


class AssignCover(SentSchema):
    """A cover by a teacher of the school, on these days."""

    class_id: Id
    session_id: Annotated[Id | None, Field(description="Only this session; default: the whole class.")] = None
    teacher_id: Annotated[Id, Field(description="The `id` of the covering user.")]
    first_day: Annotated[Day, Field(alias="from")]
    last_day: Annotated[Day, Field(alias="to", description="Inclusive.")]

    def to_cover(self) -> Cover:
        return Cover(self.class_id, self.session_id, self.teacher_id, self.first_day, self.last_day)


class AssignCovers(SentSchema):
    """Covers that are assigned together."""

    covers: Annotated[
        list[AssignCover],
        Field(
            min_length=1, max_length=MAX_COVERS, description="From 1 to 300 covers, all of which are assigned, or none."
        ),
    ]


class CoverItem(Schema):
    """A cover, and who assigned it."""

    id: int
    class_id: int
    session_id: Annotated[int | None, Field(description="The `id` of the session; null: the whole class.")]
    teacher_id: Annotated[int, Field(description="The `id` of the covering user.")]
    replaced_teacher_ids: Annotated[
        Sequence[int], Field(description="The other teachers of the class on these days.")
    ] = ()
    first_day: Annotated[date, Field(alias="from")]
    last_day: Annotated[date, Field(alias="to")]
    created_at: Moment
    created_by_role: str
    created_by_user_id: int | None
    created_by_key_id: int | None

    @classmethod
    def of(cls, row: CoverRow) -> CoverItem:
        return cls(
            id=row.id,
            class_id=row.cover.class_id,
            session_id=row.cover.session_id,
            teacher_id=row.cover.teacher_id,
            replaced_teacher_ids=row.replaced_ids,
            first_day=row.cover.first_day,
            last_day=row.cover.last_day,
            created_at=row.created_at,
            created_by_role=row.created_role,
            created_by_user_id=row.created_user_id,
            created_by_key_id=row.created_key_id,
        )


class AssignedCovers(Schema):
    """The covers that were assigned together, in the order of the request."""

    items: Annotated[list[CoverItem], Field(description="The covers, in the order of the request.")]
