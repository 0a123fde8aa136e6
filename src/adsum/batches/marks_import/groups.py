"""From the lines of a file of marks to one submission for each class, session and day."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from adsum.attendance.rules import Mark
from adsum.batches.marks_import.repository import StudentName
from adsum.batches.marks_import.rules import MARKS, MAX_BATCHES, MAX_ROWS, MarkRow
from adsum.batches.rules import OnExisting
from adsum.batches.selection import Selection, StudentMark
from adsum.batches.submission import Submission
from adsum.platform.errors import Invalid, Violation
from adsum.platform.ids import Batch
from adsum.roster.timetable.repository import SessionPlace

# Of a file in which everything is wrong nobody reads more.
MAX_VIOLATIONS = 1_000


@dataclass(slots=True)
class Violations:
    """What is wrong with a file, up to `MAX_VIOLATIONS` things."""

    kept: list[Violation] = field(default_factory=list[Violation])

    @property
    def is_full(self) -> bool:
        return len(self.kept) >= MAX_VIOLATIONS

    def add(self, line: int, violation: Violation) -> None:
        """Adds what is wrong with a line."""
        self.add_told(MARKS.violation(line, violation))

    def add_told(self, violation: Violation) -> None:
        """Adds what names its line already."""
        if not self.is_full:
            self.kept.append(violation)

    def by_line(self) -> list[Violation]:
        """In the order of the lines."""
        return sorted(self.kept, key=lambda violation: violation.params["row"])

    def refuse(self) -> None:
        """Raises Invalid, if anything is wrong."""
        if self.kept:
            more = " at least" if self.is_full else ""
            raise Invalid(f"{len(self.kept)} things{more} are wrong with these marks", self.by_line())


class Names:
    """What the classes, sessions and students of a school may be called. The roster file's ids win over ours."""

    def __init__(self, places: Iterable[SessionPlace], students: Iterable[StudentName]) -> None:
        self._classes: dict[str, int] = {}
        self._sessions: dict[tuple[int, str], int] = {}
        sourced_classes: dict[str, int] = {}
        periods: dict[tuple[int, str], int] = {}
        for place in places:
            self._classes[str(place.class_id)] = place.class_id
            self._sessions[place.class_id, str(place.session_id)] = place.session_id
            periods[place.class_id, place.period] = place.session_id
            if place.class_source_id:
                sourced_classes[place.class_source_id] = place.class_id
        self._classes |= sourced_classes
        self._sessions |= periods
        self._students: dict[str, int] = {}
        sourced_students: dict[str, int] = {}
        for student in students:
            self._students[str(student.id)] = student.id
            if student.source_id:
                sourced_students[student.source_id] = student.id
        self._students |= sourced_students

    def batch_of(self, row: MarkRow) -> Batch | Violation:
        """The batch of a line, or what is wrong with its class or session."""
        class_id = self._classes.get(row.class_name)
        if class_id is None:
            return unknown_class(row.class_name)
        session_id = self._sessions.get((class_id, row.session_name))
        if session_id is None:
            detail = f"class {row.class_name[:40]!r} has no session {row.session_name[:40]!r}"
            return Violation("session_not_of_class", detail)
        return Batch(class_id, session_id, row.day)

    def student_of(self, name: str) -> int:
        """The id of a student. Of one whom nobody knows it is one that nobody has, and always the same: whether there
        is such a student is for the check of a submission to say, which knows what the caller may learn.
        """
        return self._students.setdefault(name, -1 - len(self._students))


@dataclass(slots=True)
class Group:
    """The lines of one class, session and day."""

    batch: Batch
    class_name: str
    lines: dict[int, int] = field(default_factory=dict[int, int])
    """By student, in the order of the marks."""
    names: list[str] = field(default_factory=list[str])
    marks: list[StudentMark] = field(default_factory=list[StudentMark])

    def submission(self, on_existing: OnExisting, *, force: bool, reason: str | None) -> Submission:
        """The lines as one request: nobody is touched who is not named."""
        return Submission(
            class_id=self.batch.class_id,
            session_id=self.batch.session_id,
            learning_date=self.batch.learning_date.isoformat(),
            selection=Selection(is_selected_all=False, marks=self.marks),
            on_existing=on_existing,
            force=force,
            reason=reason,
        )

    def note(self, violations: Sequence[Violation], into: Violations) -> None:
        """What is wrong with the submission, as what is wrong with its lines; what concerns all of them, with each."""
        lines = list(self.lines.values())
        for violation in violations:
            _, _, place = violation.pointer.partition("/marks/")
            if not place:
                for line in lines:
                    into.add(line, Violation(violation.code, violation.detail, params=violation.params))
                continue
            index, _, of = place.partition("/")
            told = self._as_named(violation, self.names[int(index)]) if of == "studentId" else violation
            into.add(lines[int(index)], told)

    def _as_named(self, violation: Violation, name: str) -> Violation:
        """In the words of the file: our id may be none that its reader knows."""
        student = f"student {name[:40]!r}"
        details = {
            "unknown_student": f"there is no {student}",
            "not_enrolled": f"{student} is not enrolled in this class on that day",
            "not_on_roster": f"{student} is not on the roster of this class on that day",
        }
        return Violation(violation.code, details[violation.code])


def group_marks(rows: Iterable[MarkRow | Violation], names: Names, violations: Violations) -> list[Group]:
    """The lines by class, session and day, in the order in which these come.

    Raises:
        Invalid: there are more lines, or more such batches, than one import takes.
    """
    groups: dict[Batch, Group] = {}
    # Many lines say the same: they share it.
    said: dict[Mark | str, Mark | str] = {}
    for count, row in enumerate(rows, start=1):
        if count > MAX_ROWS:
            raise _too_long("lines", MAX_ROWS)
        if isinstance(row, Violation):
            violations.add_told(row)
            continue
        batch = names.batch_of(row)
        if isinstance(batch, Violation):
            violations.add(row.line, batch)
            continue
        group = groups.setdefault(batch, Group(batch, row.class_name))
        if len(groups) > MAX_BATCHES:
            raise _too_long("batches", MAX_BATCHES)
        student_id = names.student_of(row.student_name)
        if student_id in group.lines:
            violations.add(row.line, _repeated(row, group.lines[student_id]))
            continue
        group.lines[student_id] = row.line
        group.names.append(str(said.setdefault(row.student_name, row.student_name)))
        mark = said.setdefault(row.mark, row.mark)
        assert isinstance(mark, Mark)
        group.marks.append(StudentMark(student_id, mark))
    return list(groups.values())


def unknown_class(name: str) -> Violation:
    """A class that is not there, or that the caller does not see."""
    return Violation("unknown_class", f"there is no class {name[:40]!r} with a session")


def _repeated(row: MarkRow, earlier: int) -> Violation:
    detail = f"student {row.student_name[:40]!r} stands in line {earlier} already, for the same class, session and day"
    return Violation("student_repeated", detail, params={"earlierRow": earlier})


def _too_long(things: str, most: int) -> Invalid:
    detail = f"one import takes {most:,} {things} at most: send the file in parts"
    return Invalid(detail, [Violation("too_long", detail, MARKS.file, {"file": MARKS.file, "maximum": most})])
