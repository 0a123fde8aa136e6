"""Late arrivals and early departures in the API and in `--json`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from pydantic import Field

from adsum.attendance.statuses.rules import MAX_CODE
from adsum.platform.days import TIME_PATTERN
from adsum.platform.http.queries import Day, LastDay, PageQuery
from adsum.platform.http.schemas import Id, Moment, PathId, PlainText, Schema, SentSchema
from adsum.platform.texts import MAX_REASON
from adsum.registers.desk.rules import DeskFilters, NewEntry
from adsum.registers.rules import DeskKind


class NewDeskEntry(SentSchema):
    """A student who arrives late or leaves early."""

    kind: Annotated[DeskKind, Field(description="A late arrival, or an early departure.")]
    student_id: Id
    school_id: Annotated[
        Id | None, Field(description="The `id` of the school; default: the home school of the student.")
    ] = None
    day: Annotated[
        Day | None, Field(alias="date", description="The day, as `YYYY-MM-DD`; default: today at the school.")
    ] = None
    time: Annotated[str, Field(pattern=TIME_PATTERN, description="Local `HH:MM`.")]
    reason: Annotated[PlainText, Field(min_length=1, max_length=MAX_REASON, description="Only the office sees it.")]
    missed_status: Annotated[
        PlainText | None,
        Field(
            alias="status",
            max_length=MAX_CODE,
            description="Of the missed sessions; default: `absent`, of a departure the first authorised absence.",
        ),
    ] = None

    def to_entry(self) -> NewEntry:
        return NewEntry(self.kind, self.student_id, self.time, self.reason, self.missed_status)


class RunOfEntry(Schema):
    """A batch that an entry has made."""

    batch_id: str
    run_id: str


class DeskEntryItem(Schema):
    """An arrival or a departure, with what it has made."""

    id: int
    school_id: int
    student_id: int
    day: Annotated[date, Field(alias="date")]
    kind: Annotated[DeskKind, Field(description="A late arrival, or an early departure.")]
    time: str
    reason: Annotated[str, Field(description="The reason, which only the office sees.")]
    missed_status: Annotated[str, Field(alias="status", description="The code of the status of the missed sessions.")]
    absence_id: Annotated[int | None, Field(description="The planned absence from the later sessions.")]
    runs: Annotated[Sequence[RunOfEntry], Field(description="The batches that record its marks.")]
    entered_at: Moment
    entered_by_role: str
    entered_by_user_id: int | None
    entered_by_key_id: int | None
    undone_at: Moment | None
    is_complete: Annotated[
        bool,
        Field(
            description="False: a server failed; completing the entry submits the marks that are missing. With "
            "`undoneAt`: undoing it again undoes the rest."
        ),
    ]


class DeskQuery(PageQuery):
    """Filters of the list."""

    school_id: PathId | None = None
    student_id: PathId | None = None
    first_day: Annotated[Day | None, Field(alias="from")] = None
    last_day: Annotated[LastDay, Field(alias="to")] = None

    @property
    def filters(self) -> DeskFilters:
        return DeskFilters(self.school_id, self.student_id, self.first_day, self.last_day)
