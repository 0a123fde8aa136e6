"""Wire format of schools."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from adsum.platform.http.schemas import Schema, SentSchema
from adsum.schools.rules import MAX_EDIT_WINDOW_DAYS


class SchoolItem(Schema):
    """A school. `sourcedId` is its id in the roster file, `timeZone` an IANA name."""

    id: int
    sourced_id: Annotated[str | None, Field(validation_alias="source_id")]
    name: str
    time_zone: str
    edit_window_days: Annotated[int | None, Field(description="null: no limit")] = None


class ChangeSchool(SentSchema):
    """`editWindowDays`: days after a learning date within which teachers may mark and correct; null: no limit."""

    edit_window_days: Annotated[int, Field(ge=0, le=MAX_EDIT_WINDOW_DAYS, strict=True)] | None
