"""A file of marks: its lines, and from them one submission for each class, session and day.

The file is CSV or a workbook with the columns `class`, `session`, `student`, `date`, `status` and optionally `note`,
`arrivedAt`, `leftAt`. `classId`, `sessionId` and `studentId` hold Adsum's ids instead of source ids. An export of
records is such a file. A line that says what is recorded asks for nothing: it is valid whatever has changed since.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import compress

from adsum.attendance.rules import Mark, RecordedMark
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.batches.rules import OnExisting
from adsum.batches.submission import BatchResult, Selection, StudentMark, Submission
from adsum.platform.csv_files import CsvForm, Line
from adsum.platform.days import WrongDay, day_in_file, time_of
from adsum.platform.errors import AdsumError, Invalid, NotFound, Violation
from adsum.platform.ids import MAX_ID, Batch
from adsum.roster.naming.rules import (
    CLASS_COLUMNS,
    SESSION_COLUMNS,
    STUDENT_COLUMNS,
    NamedSession,
    Names,
    RosterNames,
    names_differ,
    names_in,
)

DATE = ("date", "learningDate")
MORE = ("note", "arrivedAt", "leftAt")
# Columns of an export that say nothing about a mark, or that the roster knows better.
UNREAD = (
    *("id", "batchId", "version", "markedAt", "markedByRole", "markedByUserId", "officeNote", "absenceId"),
    *("givenName", "familyName", "classTitle", "sessionTitle"),
)
MARKS = CsvForm("marks.csv", (CLASS_COLUMNS, SESSION_COLUMNS, STUDENT_COLUMNS, DATE, ("status",)), MORE, UNREAD)
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

    @property
    def accepted(self) -> list[BatchResult]:
        """The batches with a new run."""
        return [] if self.dry_run else [batch for batch in self.batches if batch.is_new_run]


@dataclass(frozen=True, slots=True)
class MarkRow:
    """A line without wrong names and days. `line` is its number in the file, where the header is line 1."""

    line: int
    class_names: Names
    session_names: Names
    student_names: Names
    day: date
    mark: Mark


@dataclass(frozen=True, slots=True)
class WrongRow:
    """A line with violations, which name the line."""

    violations: Sequence[Violation]


@dataclass(slots=True)
class Violations:
    """The violations of a file, up to `MAX_VIOLATIONS`."""

    items: list[Violation] = field(default_factory=list[Violation])

    @property
    def is_full(self) -> bool:
        return len(self.items) >= MAX_VIOLATIONS

    def add(self, line: int, violation: Violation) -> None:
        """Adds a violation of a line."""
        self.add_located([MARKS.violation(line, violation)])

    def add_located(self, violations: Sequence[Violation]) -> None:
        """Adds violations that name their line already."""
        self.items += violations[: MAX_VIOLATIONS - len(self.items)]

    def by_line(self) -> list[Violation]:
        """The violations in the order of the lines."""
        return sorted(self.items, key=lambda violation: violation.params["row"])

    def refuse(self) -> None:
        """Raises Invalid, if there are any."""
        if self.items:
            at_least = "at least " if self.is_full else ""
            raise Invalid(f"the file has {at_least}{len(self.items)} errors", self.by_line())


@dataclass(frozen=True, slots=True)
class School:
    """The classes, sessions, students and statuses of a school, which a file names."""

    names: RosterNames
    statuses: SchoolStatuses


@dataclass(slots=True)
class Group:
    """The lines of one class, session and day. `lines` and `names` are in the order of `marks`."""

    batch: Batch
    school: School
    class_names: Names
    lines: dict[int, int] = field(default_factory=dict[int, int])
    """The line of each student."""
    names: list[Names] = field(default_factory=list[Names])
    marks: list[StudentMark] = field(default_factory=list[StudentMark])
    unchanged: int = 0
    """The number of lines that are left out, because they say what is recorded."""

    @property
    def total(self) -> int:
        return len(self.marks) + self.unchanged

    def leave_out_unchanged(self, records: Mapping[int, RecordedMark]) -> None:
        """Leaves out the lines that say what is recorded. An empty status is that of a cleared mark."""
        kept = [not _is_recorded(each.mark, records.get(each.student_id)) for each in self.marks]
        self.unchanged += kept.count(False)
        self.lines = dict(compress(self.lines.items(), kept))
        self.names = list(compress(self.names, kept))
        self.marks = list(compress(self.marks, kept))

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

    def add_error(self, error: AdsumError, into: Violations) -> None:
        """Adds the error as violations of the lines. Raises it if it does not belong to any line."""
        match error:
            case NotFound():
                self._add_violations([self.school.names.unknown_class(self.class_names[0])], into)
            case Invalid():
                self._add_violations(error.violations, into)
            case _:
                raise error

    def _add_violations(self, violations: Sequence[Violation], into: Violations) -> None:
        """A violation of the whole submission goes to each line."""
        lines = list(self.lines.values())
        for violation in violations:
            _, _, mark_pointer = violation.pointer.partition("/marks/")
            if not mark_pointer:
                for line in lines:
                    into.add(line, Violation(violation.code, violation.detail, params=violation.params))
                continue
            index, _, field_name = mark_pointer.partition("/")
            is_student = field_name == "studentId"
            named = self._named_as_in_file(violation, self.names[int(index)]) if is_student else violation
            into.add(lines[int(index)], named)

    def _named_as_in_file(self, violation: Violation, names: Names) -> Violation:
        """Names the student as the file does: its reader may not know Adsum's id."""
        details = {
            "unknown_student": f"there is no {names[0]}",
            "not_enrolled": f"{names[0]} is not enrolled in this class on that day",
            "not_on_roster": f"{names[0]} is not on the roster of this class on that day",
        }
        return self.school.names.with_similar_students(violation.code, details[violation.code], names)


def _is_recorded(mark: Mark, record: RecordedMark | None) -> bool:
    """Whether a line says what is recorded. Reading strips blanks at the ends of a note."""
    if record is None:
        return False
    read = replace(record, status=record.status or "", note=record.note and record.note.strip())
    return read.is_unchanged_by(mark)


def read_marks(content: bytes) -> Iterator[MarkRow | WrongRow]:
    """Parses each line, or returns its violations. A date is YYYY-MM-DD or DD.MM.YYYY.

    Raises:
        Malformed: the content is not UTF-8, or not CSV with these columns.
    """
    for line in MARKS.lines(content):
        violations: list[Violation] = []
        row = _mark_row(line, violations) if line.violation is None else None
        if line.violation is not None:
            yield WrongRow([line.violation])
        else:
            yield row or WrongRow([MARKS.violation(line.number, violation) for violation in violations])


def _mark_row(line: Line, violations: list[Violation]) -> MarkRow | None:
    """The row, or None and its violations."""
    cells = line.cells
    class_names = names_in(cells, CLASS_COLUMNS, violations)
    session_names = names_in(cells, SESSION_COLUMNS, violations, may_be_empty=True)
    student_names = names_in(cells, STUDENT_COLUMNS, violations)
    day = _day(cells, violations)
    if class_names is None or session_names is None or student_names is None or day is None:
        return None
    note, arrived_at, left_at = (cells.get(name) or None for name in MORE)
    mark = Mark(cells["status"], note, arrived_at and time_of(arrived_at), left_at and time_of(left_at))
    return MarkRow(line.number, class_names, session_names, student_names, day, mark)


def _day(cells: Mapping[str, str], violations: list[Violation]) -> date | None:
    """The day in one column, or in both; None and a violation if there is none, or they differ."""
    days = names_in(cells, DATE, violations)
    if days is None:
        return None
    if len({day.text for day in days}) > 1:
        violations.append(names_differ(days))
        return None
    try:
        return day_in_file(days[0].text)
    except WrongDay as error:
        violations.append(Violation(error.code, str(error)))
        return None


@dataclass(frozen=True, slots=True)
class SchoolsOfFile:
    """The schools of a file: one for all lines, or of each class that the file names by Adsum's id."""

    only: School | None = None
    by_class: Mapping[str, School] = field(default_factory=dict[str, School])

    def of(self, names: Names) -> School | Violation:
        """The school of a class."""
        if self.only is not None:
            return self.only
        own_id = next((name for name in names if name.is_own_id), None)
        if own_id is None:
            detail = f"{names[0]} may be in several schools: name the class in the column classId, or name the school"
            return Violation("several_schools", detail)
        return self.by_class.get(own_id.text) or Violation("unknown_class", f"there is no {own_id} with a session")


def own_classes(content: bytes) -> set[int]:
    """Adsum's ids of the classes that a file names by them.

    Raises:
        Malformed: as `read_marks`.
    """
    rows = (row for row in read_marks(content) if isinstance(row, MarkRow))
    texts = {name.text for row in rows for name in row.class_names if name.is_own_id}
    return {int(text) for text in texts if text.isdecimal() and int(text) <= MAX_ID}


class _Lines:
    """The lines of a file by class, session and day. Equal names and marks are stored once."""

    def __init__(self, schools: SchoolsOfFile, violations: Violations) -> None:
        self.groups: dict[Batch, Group] = {}
        self._schools = schools
        self._violations = violations
        self._names: dict[Names, Names] = {}
        self._marks: dict[Mark, Mark] = {}
        self._codes: dict[tuple[int, str], list[str]] = {}

    def add(self, row: MarkRow) -> None:
        school = self._schools.of(row.class_names)
        if isinstance(school, Violation):
            self._violations.add(row.line, school)
            return
        mark = self._with_code(row, school)
        session = school.names.session_of(row.class_names, row.session_names)
        student = school.names.student_of(row.student_names)
        for wrong in (mark, session, student):
            if isinstance(wrong, Violation):
                self._violations.add(row.line, wrong)
        if isinstance(mark, Mark) and isinstance(session, NamedSession) and isinstance(student, int):
            self._add(row, school, session, student, mark)

    def _add(self, row: MarkRow, school: School, session: NamedSession, student_id: int, mark: Mark) -> None:
        batch = Batch(session.class_id, session.id, row.day)
        group = self.groups.get(batch)
        if group is None:
            if len(self.groups) == MAX_BATCHES:
                raise _too_long("batches", MAX_BATCHES)
            group = self.groups[batch] = Group(batch, school, row.class_names)
        if student_id in group.lines:
            self._violations.add(row.line, _repeated(row, group.lines[student_id]))
            return
        group.lines[student_id] = row.line
        group.names.append(self._names.setdefault(row.student_names, row.student_names))
        group.marks.append(StudentMark(student_id, self._marks.setdefault(mark, mark)))

    def _with_code(self, row: MarkRow, school: School) -> Mark | Violation:
        """The mark with the code of a status that is written as its letter or label.

        An unknown status stays as it is: the validation of the submission refuses it.
        """
        written = row.mark.status
        key = id(school), written
        named = self._codes.get(key)
        if named is None:
            named = self._codes[key] = school.statuses.codes_named(written)
        if len(named) > 1:
            detail = f"the status {written[:40]!r} may be {' or '.join(named)}: use one of these codes"
            return Violation("ambiguous_status", detail, params={"codes": named})
        return row.mark if not named or named[0] == written else replace(row.mark, status=named[0])


def group_marks(rows: Iterable[MarkRow | WrongRow], schools: SchoolsOfFile, violations: Violations) -> list[Group]:
    """Groups the lines by class, session and day, in the order of the file. Each violation of a line is reported.

    Raises:
        Invalid: there are more lines, or more groups, than one import accepts.
    """
    lines = _Lines(schools, violations)
    for count, row in enumerate(rows, start=1):
        if count > MAX_ROWS:
            raise _too_long("lines", MAX_ROWS)
        if isinstance(row, WrongRow):
            violations.add_located(row.violations)
        else:
            lines.add(row)
    return list(lines.groups.values())


def _repeated(row: MarkRow, earlier: int) -> Violation:
    detail = f"{row.student_names[0]} is already in line {earlier}, for the same class, session and day"
    return Violation("student_repeated", detail, params={"earlierRow": earlier})


def _too_long(things: str, maximum: int) -> Invalid:
    detail = f"one import takes at most {maximum:,} {things}: send the file in parts"
    return Invalid(detail, [Violation("too_long", detail, MARKS.file, {"file": MARKS.file, "maximum": maximum})])
