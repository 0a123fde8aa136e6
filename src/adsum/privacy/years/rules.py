"""A school year of records, and the manifest of its archive."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from adsum.platform.database.partitions import Partition, next_year
from adsum.platform.errors import AdsumError
from adsum.privacy.retention.rules import school_year


class YearKept(AdsumError):
    """A school year is not dropped: something keeps it, or its archive does not have all of it."""

    code = "year_kept"


class ArchiveRefused(AdsumError):
    """An archive cannot be written or read, or it is damaged."""

    code = "archive_refused"


@dataclass(frozen=True, slots=True)
class SchoolYear:
    """The days from `first` to before `end`, with the number of their records at all schools.

    `partition`: the table that holds the records of this year alone, if there is one.
    """

    first: date
    end: date
    records: int
    partition: str | None


@dataclass(frozen=True, slots=True)
class SchoolTotals:
    """The extent of the records of a school.

    `digest`: the hexadecimal SHA-256 of the ids and versions of records, and of the states of disputed marks and double
    records. A new record, a correction and a deletion each change it; the removal of a note does not.
    """

    records: int
    changes: int
    digest: str


NOTHING = SchoolTotals(0, 0, hashlib.sha256().hexdigest())
"""The extent of a school without records."""


DIGESTED = {
    "disputed_marks": ("id", "said_at", "resolved_at"),
    "double_records": ("merge_id", "learning_date", "session_id"),
}
"""The columns of rows that the digest of a school is of, by table."""


def digested(table: str, row: Mapping[str, Any]) -> list[Any]:
    """The values of these columns."""
    return [row[column] for column in DIGESTED[table]]


def totals_line(table: str, values: Sequence[Any]) -> bytes:
    """A line of what the digest of a school is of. Times in an archive are texts, and give the same line."""
    return f"{json.dumps([table, *values], default=datetime.isoformat)}\n".encode()


@dataclass(frozen=True, slots=True)
class YearManifest:
    """The contents of an archive.

    Attributes:
        version: the version of Adsum that made it.
        schema: the revision of its database. None: archives of the first format lack it.
        made_at: the time.
        first: the first day of the school year.
        end: the day after its last one.
        totals: of each school that has any of its rows, by id.
        files: the rows, the bytes and the hexadecimal SHA-256 of each file, by name.
    """

    version: str
    schema: str | None
    made_at: datetime
    first: date
    end: date
    totals: Mapping[int, SchoolTotals]
    files: Mapping[str, tuple[int, int, str]]

    @property
    def records(self) -> int:
        return sum(each.records for each in self.totals.values())

    @property
    def changes(self) -> int:
        return sum(each.changes for each in self.totals.values())


def years_of(days: Mapping[date, int], partitions: Sequence[Partition], first_month: int) -> list[SchoolYear]:
    """The school years that have records or a partition of their own, the oldest first."""
    own = {each.first: each.name for each in partitions if each.first is not None}
    counts = dict.fromkeys(own, 0)
    for day, count in days.items():
        first = school_year(day, first_month)
        counts[first] = counts.get(first, 0) + count
    return [SchoolYear(first, next_year(first), counts[first], own.get(first)) for first in sorted(counts)]
