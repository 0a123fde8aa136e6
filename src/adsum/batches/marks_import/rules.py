"""A file of marks: its lines, and from them one submission for each class, session and day.

The file is CSV or a workbook with the columns `class`, `session`, `student`, `date`, `status` and optionally `note`,
`arrivedAt`, `leftAt`. `classId`, `sessionId` and `studentId` hold Adsum's ids instead of source ids. An export of
records is such a file. A line that says what is recorded asks for nothing: it is valid whatever has changed since.

An export from before a merge names one student by the ids of two records. Lines of both that say the same are one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import compress

from adsum.attendance.rules import Mark, RecordedMark
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.batches.rules import OnExisting
from adsum.batches.run import ChangedMark, MarkConflict
from adsum.batches.submission import BatchResult, Selection, StudentMark, Submission
from adsum.platform.database.tombstones import NO_TOMBSTONES, Tombstones
from adsum.platform.days import WrongDay, day_in_file, time_of
from adsum.platform.errors import AdsumError, Invalid, NotFound, Violation
from adsum.platform.files.csv_files import CsvForm, Line
from adsum.platform.files.file_violations import file_violation, missing_value
from adsum.platform.files.listed_violations import ListedViolations
from adsum.platform.ids import MAX_ID, Batch
from adsum.roster.naming.rules import (
    CLASS_COLUMNS,
    SESSION_COLUMNS,
    STUDENT_COLUMNS,
    Name,
    NamedSession,
    Names,
    RosterNames,
    in_column,
    names_differ,
    names_in,
    unknown_class,
)

DATE = ("date", "learningDate")
MORE = ("note", "arrivedAt", "leftAt")
# Columns of an export that say nothing about a mark, or that the roster knows better.
UNREAD = (
    *("id", "batchId", "version", "markedAt", "markedByRole", "markedByUserId", "officeNote", "absenceId"),
    *("givenName", "familyName", "classTitle", "sessionTitle"),
)
MARKS = CsvForm("marks.csv", (CLASS_COLUMNS, SESSION_COLUMNS, STUDENT_COLUMNS, DATE, ("status",)), MORE, UNREAD)
MAX_BATCHES = 10_000


@dataclass(frozen=True, slots=True)
class MarksOptions:
    """Options of an import. `force` and `reason` are those of a submission."""

    on_existing: OnExisting = OnExisting.SKIP
    dry_run: bool = False
    force: bool = False
    reason: str | None = None

    def violations(self) -> Iterator[Violation]:
        """The violations of the options themselves, whatever the file contains."""
        if self.force and not (self.reason or "").strip():
            params = {"in": "query", "name": "reason"}
            yield Violation("reason_missing", "reason: force requires a reason", "/query/reason", params)


@dataclass(frozen=True, slots=True)
class MarksReport:
    """The result of an import, or the expected result of a dry run: one for each class, session and day.

    `rows` are the lines that were read, without those that were left out, each with a warning: the student was erased.
    `warnings` lists the first of these, `warning_count` counts all.
    """

    dry_run: bool
    rows: int
    batches: Sequence[BatchResult]
    warnings: Sequence[Violation] = ()
    warning_count: int = 0

    @property
    def accepted(self) -> list[BatchResult]:
        """The batches with a new run."""
        return [] if self.dry_run else [batch for batch in self.batches if batch.is_new_run]

    @property
    def conflicts(self) -> list[tuple[str, MarkConflict]]:
        """The marks that are not applied, each with its batch."""
        return [(result.batch_id, each) for result in self.batches for each in result.conflicts]

    @property
    def changes(self) -> list[tuple[str, ChangedMark]]:
        """Of a dry run, the records that the import would correct, each with its batch."""
        return [(result.batch_id, each) for result in self.batches for each in result.changes]


@dataclass(frozen=True, slots=True)
class MarkRow:
    """A line without wrong names and days. `line` is its number in the file, where the header is line 1.

    `day_column`: the column that the day is in.
    """

    line: int
    class_names: Names
    session_names: Names
    student_names: Names
    day: date
    mark: Mark
    day_column: str = DATE[0]


@dataclass(frozen=True, slots=True)
class WrongRow:
    """A line with violations, which name the line."""

    violations: Sequence[Violation]


@dataclass(frozen=True, slots=True)
class SchoolOfFile:
    """The classes, sessions, students and statuses of a school, which a file names. `tombstones`: of its students."""

    id: int
    names: RosterNames
    statuses: SchoolStatuses
    tombstones: Tombstones = NO_TOMBSTONES

    def is_erased(self, student_names: Names) -> bool:
        """Whether a line names a student who was erased. An id of Adsum alone does not tell."""
        is_erased = any(self.tombstones.has(self.id, name.text) for name in student_names if not name.is_own_id)
        return is_erased and not self.names.knows_student(student_names)


@dataclass(slots=True)
class Group:
    """The lines of one class, session and day. `lines` and `names` are in the order of `marks`."""

    batch: Batch
    school: SchoolOfFile
    first: MarkRow
    """The first line, whose columns name the class, the session and the day."""
    lines: dict[int, int] = field(default_factory=dict[int, int])
    """The line of each student."""
    places: dict[int, int] = field(default_factory=dict[int, int])
    """The place of each student in `marks`, until lines are left out."""
    names: list[Names] = field(default_factory=list[Names])
    marks: list[StudentMark] = field(default_factory=list[StudentMark])
    unchanged: int = 0
    """The number of lines that are left out, because they say what is recorded, or what another line says."""

    @property
    def total(self) -> int:
        return len(self.marks) + self.unchanged

    def leave_out_unchanged(self, records: Mapping[int, RecordedMark]) -> None:
        """Leaves out the lines that say what is recorded. An empty status is that of a cleared mark."""
        kept = [not _says(records.get(each.student_id), each.mark) for each in self.marks]
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

    def add_error(self, error: AdsumError, into: ListedViolations) -> None:
        """Adds the error as violations of the lines. Raises it if it does not belong to any line."""
        match error:
            case NotFound():
                self._add_violations([self.school.names.unknown_class(self.first.class_names[0])], into)
            case Invalid():
                self._add_violations(error.violations, into)
            case _:
                raise error

    def _add_violations(self, violations: Sequence[Violation], into: ListedViolations) -> None:
        """A violation of the whole submission goes to each line."""
        lines = list(self.lines.values())
        for violation in violations:
            _, _, mark_pointer = violation.pointer.partition("/marks/")
            if not mark_pointer:
                column = self._columns.get(violation.pointer)
                params = {"column": column, **violation.params} if column else violation.params
                for line in lines:
                    into.add(line, Violation(violation.code, violation.detail, params=params))
                continue
            index, _, field_name = mark_pointer.partition("/")
            into.add(lines[int(index)], self._as_in_file(violation, int(index), field_name))

    @property
    def _columns(self) -> Mapping[str, str]:
        """The columns of what the lines have in common, by its pointer in the submission."""
        return {"/learningDate": self.first.day_column, "/sessionId": self.first.session_names[0].column}

    def _as_in_file(self, violation: Violation, index: int, field_name: str) -> Violation:
        if field_name == "studentId":
            return self._named_as_in_file(violation, self.names[index])
        if field_name == "status" and not self.marks[index].mark.status:
            params = {**missing_value([field_name]).params, **violation.params}
            return Violation("missing_value", violation.detail, params=params)
        return violation

    def _named_as_in_file(self, violation: Violation, names: Names) -> Violation:
        """Names the student as the file does: its reader may not know Adsum's id."""
        details = {
            "unknown_student": f"there is no {names[0]}",
            "not_enrolled": f"{names[0]} is not enrolled in this class on that day",
            "not_on_roster": f"{names[0]} is not on the roster of this class on that day",
        }
        return self.school.names.with_similar_students(violation.code, details[violation.code], names)


def _says(record: RecordedMark | None, mark: Mark) -> bool:
    """Whether a record says what a line says."""
    return record is not None and replace(record, status=record.status or "").is_unchanged_by(mark)


def _is_part_of(mark: Mark, other: Mark) -> bool:
    """Whether a line says nothing that another line does not say."""
    return RecordedMark(other.status, other.note, 0, other.arrived_at, other.left_at).is_unchanged_by(mark)


def read_marks(content: bytes) -> Iterator[MarkRow | WrongRow]:
    """Parses each line, or returns its violations. A date is YYYY-MM-DD or DD.MM.YYYY.

    Raises:
        Malformed: the content is not UTF-8, or not CSV with these columns.
        Invalid: there are more lines than one import accepts.
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
    day_column = next(column for column in DATE if cells.get(column))
    return MarkRow(line.number, class_names, session_names, student_names, day, mark, day_column)


def _day(cells: Mapping[str, str], violations: list[Violation]) -> date | None:
    """The day in one column, or in both; None and violations if there is none, a day is wrong, or they differ."""
    days: dict[Name, date] = {}
    names = names_in(cells, DATE, violations) or ()
    for name in names:
        try:
            days[name] = day_in_file(name.text)
        except WrongDay as error:
            violations.append(in_column(name, error.code, str(error)))
    if len({*days.values()}) > 1:
        violations.append(names_differ({name: day.isoformat() for name, day in days.items()}))
        return None
    return next(iter(days.values())) if days and len(days) == len(names) else None


@dataclass(frozen=True, slots=True)
class SchoolsOfFile:
    """The schools of a file: one for all lines, or of each class that the file names by Adsum's id."""

    only: SchoolOfFile | None = None
    by_class: Mapping[str, SchoolOfFile] = field(default_factory=dict[str, SchoolOfFile])

    def of(self, names: Names) -> SchoolOfFile | Violation:
        """The school of a class."""
        if self.only is not None:
            return self.only
        own_id = next((name for name in names if name.is_own_id), None)
        if own_id is None:
            detail = f"{names[0]} may be in several schools: name the class in the column classId, or name the school"
            return in_column(names[0], "several_schools", detail)
        unknown = in_column(own_id, "unknown_class", f"there is no {own_id} with a session")
        return self.by_class.get(own_id.text) or unknown_class(unknown, own_id)


def own_classes(content: bytes) -> tuple[set[int], ListedViolations]:
    """Adsum's ids of the classes that a file names by them, and the violations that it has in any school.

    Raises:
        Malformed: as `read_marks`.
    """
    texts: set[str] = set()
    violations = ListedViolations(MARKS)
    for row in read_marks(content):
        if isinstance(row, WrongRow):
            violations.add_located(row.violations)
        else:
            texts.update(name.text for name in row.class_names if name.is_own_id)
    return {int(text) for text in texts if text.isdecimal() and int(text) <= MAX_ID}, violations


class _Lines:
    """The lines of a file by class, session and day. Equal names and marks are stored once."""

    def __init__(self, schools: SchoolsOfFile, violations: ListedViolations, warnings: ListedViolations) -> None:
        self.groups: dict[Batch, Group] = {}
        self._schools = schools
        self._violations = violations
        self._warnings = warnings
        self._names: dict[Names, Names] = {}
        self._marks: dict[Mark, Mark] = {}
        self._codes: dict[tuple[int, str], list[str]] = {}

    def add(self, row: MarkRow) -> None:
        school = self._schools.of(row.class_names)
        if isinstance(school, Violation):
            self._violations.add(row.line, school)
            return
        if school.is_erased(row.student_names):
            self._warnings.add(row.line, _erased(row.student_names))
            return
        mark = self._with_code(row, school)
        session = school.names.session_of(row.class_names, row.session_names)
        student = school.names.student_of(row.student_names)
        for wrong in (mark, session, student):
            if isinstance(wrong, Violation):
                self._violations.add(row.line, wrong)
        if isinstance(mark, Mark) and isinstance(session, NamedSession) and isinstance(student, int):
            self._add(row, school, session, student, mark)

    def _add(self, row: MarkRow, school: SchoolOfFile, session: NamedSession, student_id: int, mark: Mark) -> None:
        batch = Batch(session.class_id, session.id, row.day)
        group = self.groups.get(batch)
        if group is None:
            if len(self.groups) == MAX_BATCHES:
                raise _too_many_batches()
            group = self.groups[batch] = Group(batch, school, row)
        mark, names = self._marks.setdefault(mark, mark), self._names.setdefault(row.student_names, row.student_names)
        if student_id in group.lines:
            self._add_again(row, group, student_id, names, mark)
            return
        group.places[student_id] = len(group.marks)
        group.lines[student_id] = row.line
        group.names.append(names)
        group.marks.append(StudentMark(student_id, mark))

    def _add_again(self, row: MarkRow, group: Group, student_id: int, names: Names, mark: Mark) -> None:
        """Adds another line of a student, which is only right if it comes from a record that was merged into theirs."""
        earlier = group.lines[student_id]
        index = group.places[student_id]
        other, other_names = group.marks[index].mark, group.names[index]
        if group.school.names.names_same_record(names, other_names):
            self._violations.add(row.line, _repeated(row, earlier))
        elif _is_part_of(mark, other):
            group.unchanged += 1
        elif _is_part_of(other, mark):
            group.unchanged += 1
            group.marks[index] = StudentMark(student_id, mark)
        else:
            self._violations.add(row.line, _contradicts(row, earlier, other_names[0]))

    def _with_code(self, row: MarkRow, school: SchoolOfFile) -> Mark | Violation:
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
            return Violation("ambiguous_status", detail, params={"column": "status", "codes": named})
        return row.mark if not named or named[0] == written else replace(row.mark, status=named[0])


def group_marks(
    rows: Iterable[MarkRow | WrongRow],
    schools: SchoolsOfFile,
    violations: ListedViolations,
    warnings: ListedViolations,
) -> list[Group]:
    """Groups the lines by class, session and day, in the order of the file. Each violation of a line is reported.

    A line of an erased student is left out with a warning, so that an old file can be imported without them.

    Raises:
        Invalid: there are more groups than one import accepts.
    """
    lines = _Lines(schools, violations, warnings)
    for row in rows:
        if isinstance(row, WrongRow):
            violations.add_located(row.violations)
        else:
            lines.add(row)
    return list(lines.groups.values())


def _erased(names: Names) -> Violation:
    """The warning does not repeat the id of the erased student, which an idempotency key would store."""
    name = next(name for name in names if not name.is_own_id)
    return in_column(name, "erased_person", "this student was erased, so the line is left out")


def _repeated(row: MarkRow, earlier: int) -> Violation:
    detail = f"{row.student_names[0]} is already in line {earlier}, for the same class, session and day"
    return in_column(row.student_names[0], "student_repeated", detail, earlierRow=earlier)


def _contradicts(row: MarkRow, earlier: int, other: Name) -> Violation:
    """Nothing is chosen for people where two records of one student say different things, as in a merge."""
    detail = f"{row.student_names[0]} and {other} of line {earlier} are one student since their records were merged"
    return in_column(
        row.student_names[0],
        "student_repeated",
        f"{detail}, but the lines have different marks: keep one of them",
        earlierRow=earlier,
    )


def _too_many_batches() -> Invalid:
    detail = f"one import takes at most {MAX_BATCHES:,} batches: send the file in parts"
    return Invalid(detail, [file_violation("too_long", MARKS.file, detail, maximum=MAX_BATCHES)])
