"""Values and decisions of the roster: rows, filters, the order of names, and the version of a roster."""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Any

from adsum.platform.texts import ListOrder, list_order

MAX_GRADE = 32
MAX_VERSION_LENGTH = 200_000
_MAX_UNPACKED_BYTES = 8 * 100_000


@dataclass(frozen=True, slots=True)
class ClassRow:
    """A class.

    Attributes:
        source_id: in the roster file.
        active: whether the newest roster file has it.
        time_zone: IANA name, of its school.
    """

    id: int
    school_id: int
    source_id: str | None
    title: str
    code: str | None
    active: bool
    time_zone: str


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session.

    Attributes:
        period: '' for the default session of a class without periods.
        active: whether the newest roster has it.
        begin_date, end_date: the first day on which it is valid, and the day after the last one; None: no bound.
    """

    id: int
    class_id: int
    period: str
    title: str
    active: bool
    begin_date: date | None = None
    end_date: date | None = None


@dataclass(frozen=True, slots=True)
class SessionTitles:
    """The titles of a session and of its class."""

    class_title: str
    title: str


@dataclass(frozen=True, slots=True)
class StudentRow:
    """A student. `active`: whether the newest roster file has them."""

    id: int
    school_id: int
    source_id: str | None
    given_name: str
    family_name: str
    grade: str | None
    active: bool

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> StudentRow:
        """From `asdict`, also of another release: a field that it lacks is None, and unknown ones are left out."""
        values: dict[str, Any] = {each.name: stored.get(each.name) for each in fields(cls)}
        return cls(**values)

    @property
    def name_order(self) -> NameOrder:
        return name_order(self.family_name, self.given_name, self.id)


@dataclass(frozen=True, slots=True)
class StudentName:
    """The name of a student."""

    given: str
    family: str


@dataclass(frozen=True, slots=True)
class RosterStudent:
    """One student of a roster."""

    student_id: int
    source_id: str | None
    given_name: str
    family_name: str
    grade: str | None


@dataclass(frozen=True, slots=True)
class SchoolSize:
    """The number of a school's active classes, active students, and people whose login is not disabled."""

    classes: int
    students: int
    people: int


@dataclass(frozen=True, slots=True)
class NamedIds:
    """The ids that a page shows."""

    students: Collection[int] = ()
    classes: Collection[int] = ()
    sessions: Collection[int] = ()
    people: Collection[int] = ()


@dataclass(frozen=True, slots=True)
class Names:
    """Names by id. An id without a name, of another school, or of a deleted row is missing.

    `erased`: ids of people who were erased. They have no name. `family_names`: of students.
    """

    students: Mapping[int, str] = field(default_factory=dict[int, str])
    classes: Mapping[int, str] = field(default_factory=dict[int, str])
    sessions: Mapping[int, str] = field(default_factory=dict[int, str])
    people: Mapping[int, str] = field(default_factory=dict[int, str])
    erased: AbstractSet[int] = frozenset()
    family_names: Mapping[int, str] = field(default_factory=dict[int, str])

    def order_of_student(self, student_id: int) -> NameOrder:
        """The key that sorts students as `name_order` does."""
        return name_order(self.family_names.get(student_id, ""), self.students.get(student_id, ""), student_id)


# Filters of lists. A filter that is None does not narrow; days are inclusive.


@dataclass(frozen=True, slots=True)
class ClassFilters:
    """Filters of classes. Each of `words` occurs in the title, the code or the source id: see `search_spellings`.

    `student_id`: classes in which this student is enrolled today.
    """

    school_id: int | None = None
    words: str | None = None
    source_id: str | None = None
    active: bool | None = None
    student_id: int | None = None


@dataclass(frozen=True, slots=True)
class SessionFilters:
    """Filters of sessions. `day`: valid on this day."""

    class_id: int | None = None
    school_id: int | None = None
    day: date | None = None


@dataclass(frozen=True, slots=True)
class StudentFilters:
    """Filters of students. Each of `words` occurs in a name or the source id: see `search_spellings`.

    `day`: enrolled on this day, in `class_id` or in any class. With a class and no day, the day is the school's today.
    """

    words: str | None = None
    source_id: str | None = None
    class_id: int | None = None
    day: date | None = None
    school_id: int | None = None


def grade_text(grades: Iterable[str]) -> str | None:
    """The grades of a student as they are stored: `9`, or `9,10` for several; None for no grade."""
    return ",".join(grades) or None


def grades_of(text: str | None) -> tuple[str, ...]:
    """The grades in a stored or given text, each once."""
    items = (item.strip() for item in (text or "").split(","))
    return tuple(dict.fromkeys(item for item in items if item))


NameOrder = tuple[ListOrder, ListOrder, str, str, int]


def name_order(family_name: str, given_name: str, person_id: int) -> NameOrder:
    """The key that sorts people by family name, given name and id: see `list_key`. Accents decide last."""
    return list_order(family_name), list_order(given_name), family_name, given_name, person_id


class WrongVersion(ValueError):
    """A text that is not a roster version."""


@dataclass(frozen=True, slots=True)
class RosterChange:
    """The ids of students who joined and who left since a roster version, each in order."""

    joined: tuple[int, ...]
    left: tuple[int, ...]


def roster_version(student_ids: Iterable[int]) -> str:
    """The version of a roster, independent of the order of the ids.

    It is the packed list of ids, so that `roster_change` can compute who joined and who left without stored rosters.
    """
    ids = sorted(student_ids)
    gaps = [after - before for before, after in zip([0, *ids], ids, strict=False)]
    packed = zlib.compress(struct.pack(f"<{len(gaps)}q", *gaps), level=6)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def roster_change(version: str, student_ids: Iterable[int]) -> RosterChange | None:
    """The difference between the roster of `version` and `student_ids`; None if there is none.

    Raises:
        WrongVersion: the text is not a roster version.
    """
    before, after = _unpacked(version), frozenset(student_ids)
    if before == after:
        return None
    return RosterChange(joined=tuple(sorted(after - before)), left=tuple(sorted(before - after)))


def _unpacked(version: str) -> frozenset[int]:
    try:
        inflate = zlib.decompressobj()
        packed = inflate.decompress(
            base64.b64decode(version + "=" * (-len(version) % 4), b"-_", validate=True), _MAX_UNPACKED_BYTES
        )
        gaps = struct.unpack(f"<{len(packed) // 8}q", packed)
    except (binascii.Error, ValueError, zlib.error, struct.error):
        raise WrongVersion("this is not a roster version") from None
    if not inflate.eof:
        raise WrongVersion("this is not a roster version")
    ids: list[int] = []
    for gap in gaps:
        ids.append((ids[-1] if ids else 0) + gap)
    return frozenset(ids)
