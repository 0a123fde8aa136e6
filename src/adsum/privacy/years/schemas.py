"""The output of `adsum year --json`."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Self

from pydantic import Field

from adsum.platform.http.schemas import Moment, Schema
from adsum.privacy.years.rules import SchoolYear, YearManifest


class SchoolYearItem(Schema):
    """A school year of all schools."""

    year: Annotated[int, Field(description="The calendar year in which it begins.")]
    first_day: Annotated[date, Field(description="Its first day, as `YYYY-MM-DD`.")]
    last_day: Annotated[date, Field(description="Its last day, as `YYYY-MM-DD`.")]
    records: Annotated[int, Field(description="The number of attendance records at all schools.")]
    partition: Annotated[
        str | None, Field(description="The table of this year alone; null: a table has several years.")
    ]

    @classmethod
    def of(cls, year: SchoolYear) -> Self:
        return cls(
            year=year.first.year,
            first_day=year.first,
            last_day=year.end - timedelta(days=1),
            records=year.records,
            partition=year.partition,
        )


class ArchiveItem(Schema):
    """An archive of a school year."""

    year: Annotated[int, Field(description="The calendar year in which it begins.")]
    first_day: Annotated[date, Field(description="Its first day, as `YYYY-MM-DD`.")]
    last_day: Annotated[date, Field(description="Its last day, as `YYYY-MM-DD`.")]
    records: Annotated[int, Field(description="The number of attendance records at all schools.")]
    changes: Annotated[int, Field(description="The number of changes of these records.")]
    made_at: Annotated[Moment, Field(description="When the archive was made, as an ISO 8601 timestamp.")]
    version: Annotated[str, Field(description="The version of Adsum that made it.")]

    @classmethod
    def of(cls, manifest: YearManifest) -> Self:
        return cls(
            year=manifest.first.year,
            first_day=manifest.first,
            last_day=manifest.end - timedelta(days=1),
            records=manifest.records,
            changes=manifest.changes,
            made_at=manifest.made_at,
            version=manifest.version,
        )
