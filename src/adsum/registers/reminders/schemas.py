"""Reminders of missing registers in the API and in `--json`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from pydantic import Field

from adsum.platform.http.queries import Day, LastDay, PageQuery
from adsum.platform.http.schemas import Id, PathId, Schema, SentSchema
from adsum.registers.reminders.rules import MAX_REGISTERS, ReminderFilters
from adsum.registers.schemas import ReminderItem


class RemindTeachers(SentSchema):
    """The missing registers whose teachers are to be reminded."""

    school_id: Annotated[Id, Field(description="The `id` of the school whose teachers are reminded.")]
    day: Annotated[
        Day | None, Field(alias="date", description="The day, as `YYYY-MM-DD`; default: today at the school.")
    ] = None
    session_ids: Annotated[
        Sequence[Id] | None,
        Field(min_length=1, max_length=MAX_REGISTERS, description="Default: all sessions whose register is missing."),
    ] = None


class RemindedItem(Schema):
    """A missing register of the request. It names no person: the answer is stored under its idempotency key."""

    school_id: int
    class_id: int
    class_name: str
    session_id: int
    session_title: str
    learning_date: date
    reminder: Annotated[ReminderItem | None, Field(description="The newest one.")]
    user_ids_without_login: Annotated[Sequence[int], Field(description="Teachers who cannot sign in to see it.")] = ()


class RemindedAnswer(Schema):
    """The registers of the request, by what has happened."""

    sent: Annotated[Sequence[RemindedItem], Field(description="Their teachers are reminded.")]
    recent: Annotated[Sequence[RemindedItem], Field(description="Their teachers were reminded a few minutes ago.")]
    without_teacher: Annotated[Sequence[RemindedItem], Field(description="Nobody teaches or covers them on that day.")]
    without_login: Annotated[Sequence[RemindedItem], Field(description="None of their teachers can sign in.")] = ()


class ReminderQuery(PageQuery):
    """Filters of the list. Days are those of the registers."""

    school_id: PathId | None = None
    session_id: PathId | None = None
    first_day: Annotated[Day | None, Field(alias="from")] = None
    last_day: Annotated[LastDay, Field(alias="to")] = None

    @property
    def filters(self) -> ReminderFilters:
        return ReminderFilters(self.school_id, self.session_id, self.first_day, self.last_day)


class SentReminderItem(ReminderItem):
    """A reminder, with its register."""

    id: int
    school_id: int
    class_id: int
    session_id: int
    learning_date: date
