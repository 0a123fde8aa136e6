"""A file of marks: its lines, and from them one submission for each class, session and day.

The file is CSV with the columns `class`, `session`, `student`, `date`, `status` and optionally `note`, `arrivedAt`,
`leftAt`. `classId`, `sessionId` and `studentId` hold Adsum's ids instead of source ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from adsum.attendance.rules import Mark
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.batches.rules import OnExisting
from adsum.batches.submission import BatchResult, Selection, StudentMark, Submission
from adsum.platform.csv_files import CsvForm, Line
from adsum.platform.days import WrongDay, plain_day, time_of
from adsum.platform.errors import Invalid, Violation
from adsum.platform.ids import Batch
from adsum.roster.naming.rules import CLASS, SESSION, STUDENT, Name, RosterNames, name_in

MARKS = CsvForm("marks.csv", (CLASS, SESSION, STUDENT, ("date",), ("status",)), ("note", "arrivedAt", "leftAt"))
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
    """A line without wrong names and days. `line` is its number in the file, where the header is line 1."""

    line: int
    class_name: Name
    session_name: Name
    student_name: Name
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


@dataclass(slots=True)
class Group:
    """The lines of one class, session and day. `lines` and `names` are in the order of `marks`."""

    batch: Batch
    class_name: Name
    lines: dict[int, int] = field(default_factory=dict[int, int])
    """The line of each student."""
    names: list[Name] = field(default_factory=list[Name])
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

    def add_violations(self, violations: Sequence[Violation], names: RosterNames, into: Violations) -> None:
        """Adds violations of the submission to its lines. A violation of the whole submission goes to each line."""
        lines = list(self.lines.values())
        for violation in violations:
            _, _, mark_pointer = violation.pointer.partition("/marks/")
            if not mark_pointer:
                for line in lines:
                    into.add(line, Violation(violation.code, violation.detail, params=violation.params))
                continue
            index, _, field_name = mark_pointer.partition("/")
            is_student = field_name == "studentId"
            named = _of_student(violation, self.names[int(index)], names) if is_student else violation
            into.add(lines[int(index)], named)


def read_marks(content: bytes) -> Iterator[MarkRow | WrongRow]:
    """Parses each line, or returns its violations. A date is a plain YYYY-MM-DD.

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
    class_name = name_in(cells, CLASS, violations)
    session_name = name_in(cells, SESSION, violations, may_be_empty=True)
    student_name = name_in(cells, STUDENT, violations)
    day: date | None = None
    try:
        day = plain_day(cells["date"])
    except WrongDay as error:
        violations.append(Violation(error.code, str(error)))
    if class_name is None or session_name is None or student_name is None or day is None:
        return None
    note, arrived_at, left_at = (cells.get(name) or None for name in MARKS.more)
    mark = Mark(cells["status"], note, arrived_at and time_of(arrived_at), left_at and time_of(left_at))
    return MarkRow(line.number, class_name, session_name, student_name, day, mark)


def with_codes(rows: Iterable[MarkRow | WrongRow], statuses: SchoolStatuses) -> Iterator[MarkRow | WrongRow]:
    """The rows with the codes of statuses that are written as letters or labels; violations of ambiguous ones.

    An unknown status stays as it is: the validation of the submission refuses it.
    """
    codes: dict[str, list[str]] = {}
    for row in rows:
        if isinstance(row, WrongRow):
            yield row
            continue
        written = row.mark.status
        named = codes.get(written)
        if named is None:
            named = codes[written] = statuses.codes_named(written)
        if len(named) > 1:
            detail = f"the status {written[:40]!r} may be {' or '.join(named)}: use one of these codes"
            violation = Violation("ambiguous_status", detail, params={"codes": named})
            yield WrongRow([MARKS.violation(row.line, violation)])
        yield row if not named or named[0] == written else replace(row, mark=replace(row.mark, status=named[0]))


def group_marks(rows: Iterable[MarkRow | WrongRow], names: RosterNames, violations: Violations) -> list[Group]:
    """Groups the lines by class, session and day, in the order of the file.

    Raises:
        Invalid: there are more lines, or more groups, than one import accepts.
    """
    groups: dict[Batch, Group] = {}
    # Equal marks and names are stored once.
    shared: dict[Mark | Name, Mark | Name] = {}
    for count, row in enumerate(rows, start=1):
        if count > MAX_ROWS:
            raise _too_long("lines", MAX_ROWS)
        if isinstance(row, WrongRow):
            violations.add_located(row.violations)
            continue
        session = names.session_of(row.class_name, row.session_name)
        if isinstance(session, Violation):
            violations.add(row.line, session)
            continue
        batch = Batch(session.class_id, session.id, row.day)
        group = groups.setdefault(batch, Group(batch, row.class_name))
        if len(groups) > MAX_BATCHES:
            raise _too_long("batches", MAX_BATCHES)
        student_id = names.student_of(row.student_name)
        if student_id in group.lines:
            violations.add(row.line, _repeated(row, group.lines[student_id]))
            continue
        group.lines[student_id] = row.line
        name, mark = shared.setdefault(row.student_name, row.student_name), shared.setdefault(row.mark, row.mark)
        assert isinstance(name, Name)
        assert isinstance(mark, Mark)
        group.names.append(name)
        group.marks.append(StudentMark(student_id, mark))
    return list(groups.values())


def _of_student(violation: Violation, name: Name, names: RosterNames) -> Violation:
    """Names the student as the file does: its reader may not know Adsum's id."""
    details = {
        "unknown_student": f"there is no {name}",
        "not_enrolled": f"{name} is not enrolled in this class on that day",
        "not_on_roster": f"{name} is not on the roster of this class on that day",
    }
    return names.unknown_student(violation.code, details[violation.code], name)


def _repeated(row: MarkRow, earlier: int) -> Violation:
    detail = f"{row.student_name} is already in line {earlier}, for the same class, session and day"
    return Violation("student_repeated", detail, params={"earlierRow": earlier})


def _too_long(things: str, maximum: int) -> Invalid:
    detail = f"one import takes at most {maximum:,} {things}: send the file in parts"
    return Invalid(detail, [Violation("too_long", detail, MARKS.file, {"file": MARKS.file, "maximum": maximum})])
