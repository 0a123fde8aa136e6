"""The hits of a search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from adsum.roster.people.rules import PersonRow
from adsum.roster.rules import ClassRow, StudentRow

Row = TypeVar("Row", StudentRow, ClassRow, PersonRow)

MAX_HITS = 100


@dataclass(frozen=True, slots=True)
class Found(Generic[Row]):
    """The best matches of one kind, the best first. `has_more`: there are others."""

    rows: Sequence[Row]
    has_more: bool


def first_of(rows: Sequence[Row], limit: int) -> Found[Row]:
    """The first `limit` of the rows."""
    return Found(rows[:limit], len(rows) > limit)


@dataclass(frozen=True, slots=True)
class Hits:
    """The hits of a search. `schools`: the names of the schools of all hits, by id."""

    students: Found[StudentRow]
    classes: Found[ClassRow]
    people: Found[PersonRow]
    schools: Mapping[int, str]

    @property
    def count(self) -> int:
        return len(self.students.rows) + len(self.classes.rows) + len(self.people.rows)

    @property
    def has_more(self) -> bool:
        return self.students.has_more or self.classes.has_more or self.people.has_more


def hits_of(
    students: Sequence[StudentRow],
    classes: Sequence[ClassRow],
    people: Sequence[PersonRow],
    schools: Mapping[int, str],
    limit: int,
) -> Hits:
    """The first `limit` of the rows of each kind."""
    return Hits(first_of(students, limit), first_of(classes, limit), first_of(people, limit), schools)
