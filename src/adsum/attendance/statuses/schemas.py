"""Statuses in the API and in `--json`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from adsum.attendance.statuses.rules import (
    MAX_CODE,
    MAX_LABEL,
    MAX_POSITION,
    CountsAs,
    Status,
    StatusChange,
    StatusFlag,
)
from adsum.platform.http.schemas import Flag, Moment, PlainText, Schema, SentSchema

Label = Annotated[PlainText, Field(max_length=MAX_LABEL, description="The name of the status.")]
Letter = Annotated[PlainText, Field(max_length=8, description="One character, on registers and on the keyboard.")]
Position = Annotated[int, Field(ge=0, le=MAX_POSITION, strict=True, description="The lowest first.")]


class StatusItem(Schema):
    """A status. Its `code`, its effect on counts and its flags never change."""

    code: Annotated[str, Field(description="A short name in lower case, unique in the school. It never changes.")]
    label: str
    letter: str
    counts_as: CountsAs
    flags: list[StatusFlag]
    position: Annotated[int, Field(description="The place in the order of the school: the lowest first.")]
    retired_at: Annotated[Moment | None, Field(description="The time at which it was retired.")]

    @classmethod
    def of(cls, status: Status) -> StatusItem:
        return cls(
            code=status.code,
            label=status.label,
            letter=status.letter,
            counts_as=status.counts_as,
            flags=sorted(status.flags),
            position=status.position,
            retired_at=status.retired_at,
        )


class NewStatus(SentSchema):
    """A status that a school is to have."""

    code: Annotated[
        PlainText,
        Field(
            max_length=MAX_CODE,
            description="A letter, then up to 31 characters of `a-z`, `0-9`, `_` and `-`. It never changes.",
        ),
    ]
    label: Label
    letter: Letter
    counts_as: CountsAs
    flags: Annotated[
        list[StatusFlag],
        Field(max_length=len(StatusFlag), description="More about the status, such as `late` or `authorised`."),
    ] = []
    position: Position = 100

    def to_status(self) -> Status:
        return Status(self.code, self.label, self.letter, self.counts_as, frozenset(self.flags), self.position)


class ChangeStatus(SentSchema):
    """A change of a status. Omitted fields stay."""

    label: Label | None = None
    letter: Letter | None = None
    position: Position | None = None
    retired: Annotated[Flag, Field(description="True: retired; records keep it.")] | None = None

    def to_change(self) -> StatusChange:
        return StatusChange(self.label, self.letter, self.position, self.retired)
