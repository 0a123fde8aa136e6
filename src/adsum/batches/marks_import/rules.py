"""A file of marks: its lines, and from them one submission for each class, session and day.

The file is CSV with the columns `class,session,student,date,status` and optionally `note,arrivedAt,leftAt`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from adsum.attendance.rules import Mark
from adsum.batches.rules import OnExisting
from adsum.batches.submission import BatchResult, Selection, StudentMark, Submission
from adsum.platform.csv_files import CsvForm
from adsum.platform.days import WrongDay, plain_day
from adsum.platform.errors import Invalid, Violation
from adsum.platform.ids import Batch

MARKS = CsvForm("marks.csv", ("class", "session", "student", "date", "status"), ("note", "arrivedAt", "leftAt"))
MAX_ROWS = 200_000
MAX_BATCHES = 10_000
MAX_VIOLATIONS = 1_000
"""Violations of one file that are reported."""


@dataclass(frozen=True, slots=True)
class MarksOptions:
    """Options of an import. `force` and `reason` are those of a submission."""

    on_existing: OnExisting = OnExisting.SKIP
    dry_run: bool = False
    force: bool = False
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class MarksReport:
    """The result of an import, or the expected result of a dry run: one for each class, session and day."""

    dry_run: bool
    rows: int
    batches: Sequence[BatchResult]


@dataclass(frozen=True, slots=True)
class MarkRow:
    """A parsed line. `line` is its number in the file, where the header is line 1."""

    line: int
    class_name: str
    session_name: str
    student_name: str
    day: date
    mark: Mark


@dataclass(frozen=True, slots=True)
class NamedSession:
    """A session with the names that a file may use for it. `period` is empty for the only session of a class."""

    session_id: int
    period: str
    class_id: int
    class_source_id: str | None


@dataclass(frozen=True, slots=True)
class NamedStudent:
    """A student with the names that a file may use for them."""

    id: int
    source_id: str | None


@dataclass(slots=True)
class Violations:
    """The violations of a file, up to `MAX_VIOLATIONS`."""

    items: list[Violation] = field(default_factory=list[Violation])

    @property
    def is_full(self) -> bool:
        return len(self.items) >= MAX_VIOLATIONS

    def add(self, line: int, violation: Violation) -> None:
        """Adds a violation of a line."""
        self.add_located(MARKS.violation(line, violation))

    def add_located(self, violation: Violation) -> None:
        """Adds a violation that names its line already."""
        if not self.is_full:
            self.items.append(violation)

    def by_line(self) -> list[Violation]:
        """The violations in the order of the lines."""
        return sorted(self.items, key=lambda violation: violation.params["row"])

    def refuse(self) -> None:
        """Raises Invalid, if there are any."""
        if self.items:
            at_least = "at least " if self.is_full else ""
            raise Invalid(f"the file has {at_least}{len(self.items)} errors", self.by_line())


class RosterNames:
    """Finds classes, sessions and students of a school by name. Source ids take precedence over Adsum's ids."""

    def __init__(self, sessions: Iterable[NamedSession], students: Iterable[NamedStudent]) -> None:
        self._classes: dict[str, int] = {}
        self._sessions: dict[tuple[int, str], int] = {}
        sourced_classes: dict[str, int] = {}
        periods: dict[tuple[int, str], int] = {}
        for session in sessions:
            self._classes[str(session.class_id)] = session.class_id
            self._sessions[session.class_id, str(session.session_id)] = session.session_id
            periods[session.class_id, session.period] = session.session_id
            if session.class_source_id:
                sourced_classes[session.class_source_id] = session.class_id
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
        """The batch of a line, or the violation if its class or session is unknown."""
        class_id = self._classes.get(row.class_name)
        if class_id is None:
            return unknown_class(row.class_name)
        session_id = self._sessions.get((class_id, row.session_name))
        if session_id is None:
            detail = f"class {row.class_name[:40]!r} has no session {row.session_name[:40]!r}"
            return Violation("session_not_of_class", detail)
        return Batch(class_id, session_id, row.day)

    def student_of(self, name: str) -> int:
        """The id of a student. An unknown name gets a negative id, always the same one.

        The validation of the submission refuses that id, and reveals no student whom the caller may not see.
        """
        return self._students.setdefault(name, -1 - len(self._students))


@dataclass(slots=True)
class Group:
    """The lines of one class, session and day. `lines` and `names` are in the order of `marks`."""

    batch: Batch
    class_name: str
    lines: dict[int, int] = field(default_factory=dict[int, int])
    """The line of each student."""
    names: list[str] = field(default_factory=list[str])
    marks: list[StudentMark] = field(default_factory=list[StudentMark])

    def submission(self, options: MarksOptions) -> Submission:
        """The lines as one request. Students who are not in the file are not changed."""
        return Submission(
            class_id=self.batch.class_id,
            session_id=self.batch.session_id,
            learning_date=self.batch.learning_date.isoformat(),
            selection=Selection(is_selected_all=False, marks=self.marks),
            on_existing=options.on_existing,
            force=options.force,
            reason=options.reason,
        )

    def add_violations(self, violations: Sequence[Violation], into: Violations) -> None:
        """Adds violations of the submission to its lines. A violation of the whole submission goes to each line."""
        lines = list(self.lines.values())
        for violation in violations:
            _, _, mark_pointer = violation.pointer.partition("/marks/")
            if not mark_pointer:
                for line in lines:
                    into.add(line, Violation(violation.code, violation.detail, params=violation.params))
                continue
            index, _, name = mark_pointer.partition("/")
            is_student = name == "studentId"
            into.add(lines[int(index)], _with_name(violation, self.names[int(index)]) if is_student else violation)


def read_marks(content: bytes) -> Iterator[MarkRow | Violation]:
    """Parses each line, or returns its violation. A date is a plain YYYY-MM-DD.

    Raises:
        Malformed: the content is not UTF-8, or not CSV with these columns.
    """
    for line in MARKS.lines(content):
        if line.violation is not None:
            yield line.violation
            continue
        cells = line.cells
        try:
            day = plain_day(cells["date"])
        except WrongDay as error:
            yield MARKS.violation(line.number, Violation(error.code, str(error)))
            continue
        note, arrived_at, left_at = (cells.get(name) or None for name in MARKS.more)
        mark = Mark(cells["status"], note, arrived_at, left_at)
        yield MarkRow(line.number, cells["class"], cells["session"], cells["student"], day, mark)


def group_marks(rows: Iterable[MarkRow | Violation], names: RosterNames, violations: Violations) -> list[Group]:
    """Groups the lines by class, session and day, in the order of the file.

    Raises:
        Invalid: there are more lines, or more groups, than one import accepts.
    """
    groups: dict[Batch, Group] = {}
    # Equal marks and names are stored once.
    shared: dict[Mark | str, Mark | str] = {}
    for count, row in enumerate(rows, start=1):
        if count > MAX_ROWS:
            raise _too_long("lines", MAX_ROWS)
        if isinstance(row, Violation):
            violations.add_located(row)
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
        group.names.append(str(shared.setdefault(row.student_name, row.student_name)))
        mark = shared.setdefault(row.mark, row.mark)
        assert isinstance(mark, Mark)
        group.marks.append(StudentMark(student_id, mark))
    return list(groups.values())


def unknown_class(name: str) -> Violation:
    """The violation for a class that does not exist, or that the caller does not see."""
    return Violation("unknown_class", f"there is no class {name[:40]!r} with a session")


def _with_name(violation: Violation, name: str) -> Violation:
    """Names the student as the file does: its reader may not know Adsum's id."""
    student = f"student {name[:40]!r}"
    details = {
        "unknown_student": f"there is no {student}",
        "not_enrolled": f"{student} is not enrolled in this class on that day",
        "not_on_roster": f"{student} is not on the roster of this class on that day",
    }
    return Violation(violation.code, details[violation.code])


def _repeated(row: MarkRow, earlier: int) -> Violation:
    detail = f"student {row.student_name[:40]!r} is already in line {earlier}, for the same class, session and day"
    return Violation("student_repeated", detail, params={"earlierRow": earlier})


def _too_long(things: str, maximum: int) -> Invalid:
    detail = f"one import takes at most {maximum:,} {things}: send the file in parts"
    return Invalid(detail, [Violation("too_long", detail, MARKS.file, {"file": MARKS.file, "maximum": maximum})])
