"""The outcome of an import, and the values that its steps share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import TypeAlias

from adsum.platform.errors import Violation
from adsum.platform.files.file_violations import file_violation
from adsum.roster.oneroster.csv_table import LeftOut
from adsum.roster.oneroster.package import LINES_IN_MEMORY
from adsum.roster.oneroster.records import PersonRecord

MAX_VIOLATIONS = 10_000
MAX_REMOVED_PERCENT = 10
"""The share of the active students, classes or enrolments that an import may end without `allow_removals`."""
MAX_LEAVING_PERCENT = 50
"""The share of the teachers, and of the contacts, who may leave without `allow_removals`."""
MAY_LEAVE = 3
"""The number of teachers or contacts who may leave in any case, unless several leave and nobody stays: a school has few
teachers, and a leaver must not keep access."""
LEAVING = frozenset({"teachers", "contacts"})
"""The tables whose rows leave, and do not end."""
STUDENT_CELLS = ("given_name", "family_name", "grade")
"""The columns of `students` that a roster file fills, beside the source id. `StagedPeople.active` has their values."""
SOON = timedelta(days=31)
"""An enrolment that now ends within this time counts as leaving its class. Later ends are those of terms."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """Options of an import.

    Attributes:
        dry_run: reports the changes, and makes none.
        strict: refuses the whole import if there is a violation.
        allow_removals: allows more than 10 % of the active students, classes or enrolments to end, and more than half
            of the teachers or of the contacts to leave.
        time_zone: IANA name for new schools, instead of the default. Without either it is UTC, with a warning.
        valid_from: the day from which sessions that the files add are due, and those that they lack are not; None: the
            today of each school, and every day for the sessions with which a class starts.
        max_students: of a dry run: how many students that join, leave or move the report names at most, of each.
        max_lines: of the files whose rows, or their ids, are compared in memory.
    """

    dry_run: bool = False
    strict: bool = False
    allow_removals: bool = False
    time_zone: str | None = None
    valid_from: date | None = None
    max_students: int | None = None
    max_lines: Mapping[str, int] = field(default_factory=lambda: LINES_IN_MEMORY)


NO_OPTIONS = ImportOptions()


class Stored(StrEnum):
    """The kinds of stored things that a row without an org can be about."""

    PERSON = "person"
    CLASS = "class"
    ENROLMENT = "enrolment"


@dataclass(frozen=True, slots=True)
class TableReport:
    """Numbers of rows of one table. A row that becomes active again is changed; rows that ended before do not count."""

    added: int = 0
    changed: int = 0
    ended: int = 0
    unchanged: int = 0

    @property
    def is_changed(self) -> bool:
        return bool(self.added or self.changed or self.ended)


class StudentChange(StrEnum):
    """The change of a student by an import: they join or leave the schools of the files, or change their classes."""

    JOINS = "joins"
    LEAVES = "leaves"
    MOVES = "moves"


@dataclass(frozen=True, slots=True)
class ClassChange:
    """A class that a student joins or leaves. `day`: the first day, or the first day without it; None: no bound.

    `title` and `school` are None for callers without `roster:read`.
    """

    source_id: str | None
    title: str | None
    school: str | None
    day: date | None


@dataclass(frozen=True, slots=True)
class ChangedStudent:
    """A student who joins, leaves or moves.

    Attributes:
        id: None for a student who is not stored yet.
        given_name, family_name: None for callers without `roster:read`.
    """

    id: int | None
    source_id: str | None
    given_name: str | None
    family_name: str | None
    joined: Sequence[ClassChange]
    left: Sequence[ClassChange]


@dataclass(frozen=True, slots=True)
class ChangedStudents:
    """The students with one kind of change, by name: their number, and the first of them."""

    count: int
    students: Sequence[ChangedStudent]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """The outcome of one import.

    Attributes:
        dry_run: nothing was changed; `tables` has the changes that the import would make.
        refused: in a dry run, whether the import would be refused.
        tables: by name, in this order: schools, terms, students, contacts, teachers, classes, sessions, enrolments,
            teachings.
        ignored: numbers of rows that are valid and not imported, such as guardians without a student.
        ignored_files: files that are not read.
        violations: by file and row. At most 10,000 are kept; `violation_count` counts all.
        warnings: as `violations`, of rows that are imported anyway.
        students: of a dry run: who joins, leaves and moves.
    """

    dry_run: bool
    refused: bool
    tables: Mapping[str, TableReport]
    ignored: Mapping[str, int]
    ignored_files: tuple[str, ...]
    violations: tuple[Violation, ...]
    violation_count: int
    warnings: tuple[Violation, ...]
    warning_count: int
    students: Mapping[StudentChange, ChangedStudents] = field(default_factory=dict[StudentChange, ChangedStudents])

    @property
    def changes_nothing(self) -> bool:
        return not any(table.is_changed for table in self.tables.values())


@dataclass(frozen=True, slots=True)
class Removal:
    """The number of active rows of a table that an import ends. `file` is their source."""

    table: str
    file: str
    ended: int
    active: int

    @property
    def allowed_percent(self) -> int:
        return MAX_LEAVING_PERCENT if self.table in LEAVING else MAX_REMOVED_PERCENT

    @property
    def is_excessive(self) -> bool:
        """Whether it needs `allow_removals`."""
        if self.table in LEAVING and self.ended <= MAY_LEAVE:
            return self.ended == self.active > 1
        return self.ended * 100 > self.active * self.allowed_percent


@dataclass(frozen=True, slots=True)
class ImportSchool:
    """A school with a source id."""

    id: int
    source_id: str
    name: str
    time_zone: str


@dataclass(frozen=True, slots=True)
class KnownStudents:
    """The students of the import who are active at one of its schools.

    Attributes:
        at_schools: ids by school and source id, of former schools, too.
        elsewhere: ids by source id, unless several students have it.
    """

    at_schools: dict[tuple[int, str], int] = field(default_factory=dict[tuple[int, str], int])
    elsewhere: dict[str, int] = field(default_factory=dict[str, int])

    def find(self, school_id: int, source_id: str) -> int | None:
        """The student of a school, else the only student with this source id."""
        return self.at_schools.get((school_id, source_id)) or self.elsewhere.get(source_id)


@dataclass(frozen=True, slots=True)
class DoubleStudent:
    """A row with a new student of a school, whose source id names a student of a school that is not in the files."""

    row: int
    school_id: int
    source_id: str
    known_id: int
    known_school: str


ContactKey: TypeAlias = tuple[int, int, str]
"""A school, a student, and the source id of their contact."""


@dataclass(frozen=True, slots=True)
class ImportedContact:
    """A contact of a student. `named_by_student`, `named_by_contact`: whose row in the file names the other one."""

    role: str
    given_name: str
    family_name: str
    phone: str | None
    sms: str | None
    email: str | None
    named_by_student: bool
    named_by_contact: bool

    @classmethod
    def of(cls, person: PersonRecord, role: str, *, by_student: bool, by_contact: bool) -> ImportedContact:
        numbers = (person.phone or None, person.sms or None, person.email or None)
        return cls(role, person.given_name, person.family_name, *numbers, by_student, by_contact)

    def named(self, *, by_student: bool, by_contact: bool) -> ImportedContact:
        return replace(self, named_by_student=by_student, named_by_contact=by_contact)


class Staged(StrEnum):
    """The state of a source id in the files: it exists, it is deleted, or its row is invalid and nothing changes."""

    ACTIVE = "active"
    GONE = "gone"
    KEPT = "kept"


def column_of_empty_name(given_name: str) -> str:
    """The column of users.csv in which the name of a person with one name is missing."""
    return "familyName" if given_name else "givenName"


class Findings:
    """Collects the violations, warnings and ignored rows of an import: at most `MAX_VIOLATIONS` items of each kind."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.violation_count = 0
        self.warnings: list[Violation] = []
        self.warning_count = 0
        self.ignored: Counter[str] = Counter()
        self._partly_read: set[str] = set()

    def add(self, *violations: Violation) -> None:
        self.violation_count += len(violations)
        self.violations.extend(violations[: MAX_VIOLATIONS - len(self.violations)])

    def warn(self, *warnings: Violation) -> None:
        """Adds warnings of a row that is imported."""
        self.warning_count += len(warnings)
        self.warnings.extend(warnings[: MAX_VIOLATIONS - len(self.warnings)])

    def leave_out(self, file: str, entry: LeftOut) -> None:
        """Adds the violations of a row. Without a source id, absence from the file no longer means deletion."""
        self.add(*entry.violations)
        if entry.source_id is None and file not in self._partly_read:
            self._partly_read.add(file)
            detail = "some rows cannot be read, so rows that are missing from this file do not end"
            self.add(file_violation("partly_read", file, detail))

    def is_wholly_read(self, file: str) -> bool:
        return file not in self._partly_read

    def ignore(self, file: str, what: str) -> None:
        self.ignored[f"{file}: {what}"] += 1


def in_order(violations: Iterable[Violation]) -> tuple[Violation, ...]:
    """Violations by file and row."""
    return tuple(
        sorted(violations, key=lambda violation: (violation.params.get("file", ""), violation.params.get("row", 0)))
    )
