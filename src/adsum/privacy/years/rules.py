"""A school year of records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from adsum.platform.database.partitions import Partition, next_year
from adsum.privacy.retention.rules import school_year


@dataclass(frozen=True, slots=True)
class SchoolYear:
    """The days from `first` to before `end`, with the number of their records at all schools.

    `partition`: the table that holds the records of this year alone, if there is one.
    """

    first: date
    end: date
    records: int
    partition: str | None


def years_of(days: Mapping[date, int], partitions: Sequence[Partition], first_month: int) -> list[SchoolYear]:
    """The school years that have records or a partition of their own, the oldest first."""
    own = {each.first: each.name for each in partitions if each.first is not None}
    counts = dict.fromkeys(own, 0)
    for day, count in days.items():
        first = school_year(day, first_month)
        counts[first] = counts.get(first, 0) + count
    return [SchoolYear(first, next_year(first), counts[first], own.get(first)) for first in sorted(counts)]
