"""Wire format of retention."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field

from adsum.platform.http.schemas import Moment, Schema, SentSchema
from adsum.privacy.retention.repository.periods import RetentionRun
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

    records: Annotated[Years, Field(description="For how long attendance records are kept.")] = None
    notes: Annotated[Years, Field(description="For how long notes of marks are kept.")] = None
    absences: Annotated[Years, Field(description="For how long planned absences and calls are kept.")] = None
    students: Annotated[Years, Field(description="For how long students are kept after they have left.")] = None
    first_month: Annotated[
        Month,
        Field(description="The month in which the school year begins, 1 to 12; null: that of the default, or August."),
    ] = None
    confirmation: Annotated[
        Annotated[str, Field(max_length=64)] | None,
        Field(description="The `confirmation` of the preview; needed if more would be deleted than before."),
    ] = None

    def to_periods(self) -> Periods:
        years = {kind.value: getattr(self, kind.value) for kind in Kind}
        stored = {name: FOREVER if value == EVER else value for name, value in years.items()}
        return Periods(**stored, first_month=self.first_month)


class PeriodItem(Schema):
    """For how many years one kind of data is kept. `years` null: for ever. `before`: the day before which it goes."""

    kind: Annotated[str, Field(description="`records`, `notes`, `absences` or `students`.")]
    years: Annotated[int | None, Field(description="Years after the end of the school year; null: for ever.")]
    is_default: Annotated[bool, Field(description="Whether the school has no period of its own for this kind.")]
    before: Annotated[
        date | None, Field(description="The day before which data are deleted, as `YYYY-MM-DD`; null: nothing is.")
    ]


class RetentionRunItem(Schema):
    """A deletion. `endedAt` null: it goes on."""

    kind: Annotated[str, Field(description="`records`, `notes`, `absences` or `students`.")]
    before: Annotated[date, Field(description="The day before which data were deleted, as `YYYY-MM-DD`.")]
    deleted: Annotated[int, Field(description="The number of rows that were deleted.")]
    began_at: Annotated[Moment, Field(description="The moment at which the deletion began, in UTC.")]
    ended_at: Moment | None

    @classmethod
    def of(cls, run: RetentionRun) -> Self:
        return cls.model_validate({name: getattr(run, name) for name in cls.model_fields})


class RetentionAnswer(Schema):
    """The periods of a school, or the default (`schoolId` null), and what was deleted."""

    school_id: Annotated[int | None, Field(description="The `id` of the school; null: the default of all schools.")]
    first_month: Annotated[int, Field(description="The month in which the school year begins, 1 to 12.")]
    periods: Annotated[Sequence[PeriodItem], Field(description="The period of each kind of data.")]
    runs: Annotated[Sequence[RetentionRunItem], Field(description="The newest deletions, the newest first.")]

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
    kind: Annotated[str, Field(description="`records`, `notes`, `absences` or `students`.")]
    year: Annotated[date, Field(description="The first day of the school year, as `YYYY-MM-DD`.")]
    count: Annotated[int, Field(description="The number of rows that are due.")]
    first_day: date
    last_day: date


class PreviewAnswer(Schema):
    """Data that a run would delete. `held`: the students on hold, whose data stay. `confirmation` confirms it."""

    items: Annotated[Sequence[DueItem], Field(description="The rows that are due, by kind and school year.")]
    count: Annotated[int, Field(description="The number of rows of all items.")]
    held: Annotated[int, Field(description="The number of students on hold, whose data stay.")]
    confirmation: str

    @classmethod
    def of(cls, preview: Preview) -> Self:
        return cls(
            items=[DueItem.model_validate(due) for due in preview.items],
            count=sum(due.count for due in preview.items),
            held=preview.held,
            confirmation=preview.confirmation,
        )
