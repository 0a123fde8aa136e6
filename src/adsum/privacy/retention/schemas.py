"""Wire format of retention."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field

from adsum.platform.http.schemas import Moment, Schema, SentSchema
from adsum.privacy.retention.repository.periods import Run
from adsum.privacy.retention.rules import FIRST_MONTH, FOREVER, MAX_YEARS, MIN_YEARS, Kind, Periods, Preview
from adsum.privacy.retention.service import SchoolRetention

EVER = "forever"
Years = Annotated[int, Field(ge=MIN_YEARS, le=MAX_YEARS, strict=True)] | Literal["forever"] | None
Month = Annotated[int, Field(ge=1, le=12, strict=True)] | None


class SetPeriods(SentSchema):
    """The periods of a school, or the default: years after the end of the school year, or `forever`.

    An omitted or null one is that of the default; of the default itself, for ever. `firstMonth`: in which the school
    year begins; 8 by default. `confirmation`: of the preview, where more would go than before.
    """

    records: Years = None
    notes: Years = None
    absences: Years = None
    students: Years = None
    first_month: Month = None
    confirmation: Annotated[str, Field(max_length=64)] | None = None

    def to_periods(self) -> Periods:
        years = {kind.value: getattr(self, kind.value) for kind in Kind}
        stored = {name: FOREVER if value == EVER else value for name, value in years.items()}
        return Periods(**stored, first_month=self.first_month)


class PeriodItem(Schema):
    """For how many years one kind of data is kept. `years` null: for ever. `before`: the day before which it goes."""

    kind: str
    years: int | None
    is_default: bool
    before: date | None


class RetentionRunItem(Schema):
    """A deletion. `endedAt` null: it goes on."""

    kind: str
    before: date
    deleted: int
    began_at: Moment
    ended_at: Moment | None

    @classmethod
    def of(cls, run: Run) -> Self:
        return cls.model_validate({name: getattr(run, name) for name in cls.model_fields})


class RetentionAnswer(Schema):
    """The periods of a school, or the default (`schoolId` null), and what was deleted."""

    school_id: int | None
    first_month: int
    periods: Sequence[PeriodItem]
    runs: Sequence[RetentionRunItem]

    @classmethod
    def of(cls, retention: SchoolRetention) -> Self:
        return cls(
            school_id=retention.school_id,
            first_month=retention.effective.first_month or FIRST_MONTH,
            periods=[
                PeriodItem(
                    kind=kind.value,
                    years=getattr(retention.effective, kind.value) or None,
                    is_default=getattr(retention.own, kind.value) is None,
                    before=retention.cutoffs.get(kind),
                )
                for kind in Kind
            ],
            runs=[RetentionRunItem.of(run) for run in retention.runs],
        )


class DueItem(Schema):
    """The rows of one kind and school year that are due. The year begins on `year`."""

    school_id: int
    kind: str
    year: date
    count: int
    first_day: date
    last_day: date


class PreviewAnswer(Schema):
    """Data that a run would delete. `held`: the students on hold, whose data stay. `confirmation` confirms it."""

    items: Sequence[DueItem]
    count: int
    held: int
    confirmation: str

    @classmethod
    def of(cls, preview: Preview) -> Self:
        return cls(
            items=[DueItem.model_validate(due) for due in preview.items],
            count=sum(due.count for due in preview.items),
            held=preview.held,
            confirmation=preview.confirmation,
        )
