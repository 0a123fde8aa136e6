"""Wire format of holds."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from adsum.platform.http.schemas import Moment, PlainText, Schema, SentSchema
from adsum.privacy.holds.rules import MAX_REFERENCE, HoldReason


class PlaceHold(SentSchema):
    """A hold to place. `reference`: the number of the case, without names and facts."""

    reason: Annotated[HoldReason, Field(description="The kind of the case.")]
    reference: Annotated[PlainText, Field(max_length=MAX_REFERENCE)] | None = None


class HoldItem(Schema):
    """A hold, in effect until `liftedAt`. Without a user, the command line or an API key placed or lifted it."""

    id: int
    student_id: int
    reason: Annotated[str, Field(description="The kind of the case.")]
    reference: str | None
    placed_at: Moment
    placed_by_role: Annotated[str, Field(validation_alias="placed_role")]
    placed_by_user_id: Annotated[int | None, Field(validation_alias="user_id")]
    lifted_at: Moment | None
    lifted_by_role: Annotated[str | None, Field(validation_alias="lifted_role")]
    lifted_by_user_id: Annotated[int | None, Field(validation_alias="lifted_user_id")]
