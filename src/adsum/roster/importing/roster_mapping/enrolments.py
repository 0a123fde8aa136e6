"""Enrolments of students and assignments of teachers, which share one file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass
from typing import Any

from adsum.platform.database.tombstones import Erased, Tombstones
from adsum.platform.days import Span
from adsum.platform.errors import Violation
from adsum.platform.files.file_violations import row_violation
from adsum.roster.importing.roster_mapping.staged_people import KINDS
from adsum.roster.importing.rules import Findings, KnownStudents, Staged
from adsum.roster.oneroster.csv_table import LeftOut
from adsum.roster.oneroster.records import STUDENT, TEACHER, Enrolment
from adsum.roster.terms.rules import EnrolmentDates, bounded

FILE = "enrollments.csv"
NO_DATES = EnrolmentDates()

Ids = Mapping[tuple[int, str], int]
"""Ids of active people, by school id and source id."""


@dataclass(frozen=True, slots=True)
class References:
    """Classes and people by the source ids that enrolments refer to.

    `bounds`: from the first to the last day of the terms of each class that has any. `tombstones`: of erased people.
    """

    classes: Mapping[str, tuple[int, int]]
    students: KnownStudents
    teachers: Ids
    people: AbstractSet[str]
    gone_classes: AbstractSet[str]
    gone_people: AbstractSet[str]
    left_out_classes: AbstractSet[str]
    left_out_people: AbstractSet[str]
    bounds: Mapping[int, Span]
    tombstones: Mapping[Erased, Tombstones]

    def is_of_erased(self, entry: Enrolment) -> bool:
        """Whether an enrolment names somebody who was erased at the school of the class."""
        if entry.class_ not in self.classes:
            return False
        school_id, _ = self.classes[entry.class_]
        return self.tombstones[KINDS[entry.role]].has(school_id, entry.user)

    def person_of(self, entry: Enrolment) -> int | None:
        """The person whom an enrolment in a known class names."""
        school_id, _ = self.classes[entry.class_]
        if entry.role == STUDENT:
            return self.students.find(school_id, entry.user)
        return self.teachers.get((school_id, entry.user))


class EnrolmentMapping:
    """Maps enrollments.csv to staged rows, one batch at a time."""

    def __init__(self, references: References, findings: Findings, *, is_delta: bool) -> None:
        self._references = references
        self._findings = findings
        self._is_delta = is_delta
        self._staged: list[dict[str, Any]] = []

    def map(self, entries: Iterable[Enrolment | LeftOut]) -> list[dict[str, Any]]:
        self._staged = []
        for entry in entries:
            if isinstance(entry, LeftOut):
                self._leave_out(entry)
            elif self._is_gone(entry):
                self._stage(entry.row, entry.source_id, Staged.GONE)
            elif entry.role not in {STUDENT, TEACHER}:
                self._findings.ignore(FILE, entry.role)
                self._stage(entry.row, entry.source_id, Staged.GONE)
            elif self._references.is_of_erased(entry):
                self._findings.ignore(FILE, f"erased {entry.role}")
                self._stage(entry.row, entry.source_id, Staged.GONE)
            else:
                self._stage_enrolment(entry)
        return self._staged

    def _is_gone(self, entry: Enrolment) -> bool:
        """An enrolment of a deleted class or person is deleted, too."""
        of_gone = entry.class_ in self._references.gone_classes or entry.user in self._references.gone_people
        return entry.is_gone or of_gone

    def _stage_enrolment(self, entry: Enrolment) -> None:
        known = self._references
        school_and_class = known.classes.get(entry.class_)
        is_student = entry.role == STUDENT
        person_id = known.person_of(entry) if school_and_class else None
        depends = entry.class_ in known.left_out_classes or entry.user in known.left_out_people
        if depends or school_and_class is None or person_id is None:
            self._leave_out(LeftOut(entry.row, entry.source_id, tuple(self._violations(entry))))
            return
        self._stage(
            entry.row,
            entry.source_id,
            Staged.ACTIVE,
            class_id=school_and_class[1],
            person=(person_id, None) if is_student else (None, person_id),
            dates=bounded(Span(entry.begin, entry.end), known.bounds.get(school_and_class[1])),
        )
        if self._is_delta:
            self._stage(entry.row, entry.source_id, Staged.GONE)  # ends the enrolment in another class

    def _violations(self, entry: Enrolment) -> Iterable[Violation]:
        known = self._references
        if entry.class_ in known.left_out_classes:
            yield _violation(
                "depends_on_left_out", entry, "classSourcedId", f"the row of class {entry.class_} was left out"
            )
        elif entry.class_ not in known.classes:
            yield _violation("unknown_class", entry, "classSourcedId", f"there is no class {entry.class_}")
        if entry.user in known.left_out_people:
            yield _violation(
                "depends_on_left_out", entry, "userSourcedId", f"the row of user {entry.user} was left out"
            )
        elif entry.user not in known.people:
            yield _violation("unknown_user", entry, "userSourcedId", f"there is no user {entry.user}")
        elif entry.class_ in known.classes and known.person_of(entry) is None:
            detail = f"user {entry.user} is not one student of these schools, so they cannot be in class {entry.class_}"
            if entry.role == TEACHER:
                detail = f"user {entry.user} is no member of staff, so they cannot teach class {entry.class_}"
            yield _violation("wrong_user", entry, "userSourcedId", detail)

    def _leave_out(self, entry: LeftOut) -> None:
        self._findings.leave_out(FILE, entry)
        if entry.source_id is not None:
            self._stage(entry.row, entry.source_id, Staged.KEPT)

    def _stage(
        self,
        row: int,
        source_id: str,
        state: Staged,
        class_id: int | None = None,
        person: tuple[int | None, int | None] = (None, None),
        dates: EnrolmentDates = NO_DATES,
    ) -> None:
        self._staged.append(
            {
                "row": row,
                "class_id": class_id,
                "source_id": source_id,
                "state": state.value,
                "student_id": person[0],
                "user_id": person[1],
                **asdict(dates),
            }
        )


def _violation(code: str, entry: Enrolment, column: str, detail: str) -> Violation:
    return row_violation(code, FILE, entry.row, detail, column=column, **{"class": entry.class_, "user": entry.user})


def reassigned_id(row: int) -> Violation:
    """The violation of an enrolment whose source id belongs to another person."""
    detail = "this sourcedId is the enrolment of another person in the same class"
    return row_violation("reassigned_id", FILE, row, detail, column="userSourcedId")
