"""The lines of a file of marks become groups, one submission for each class, session and day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress

from adsum.attendance.rules import Mark, RecordedMark
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.batches.marks_import.rules import MARKS, MarkRow, MarksOptions, WrongRow
from adsum.batches.submission import Selection, StudentMark, Submission
from adsum.platform.database.tombstones import NO_TOMBSTONES, Tombstones
from adsum.platform.errors import AdsumError, Invalid, NotFound, Violation
from adsum.platform.files.file_violations import file_violation, missing_value
from adsum.platform.files.listed_violations import ListedViolations
from adsum.platform.ids import Batch
from adsum.roster.naming.rules import (
    Name,
    NamedSession,
    RosterNames,
    RowNames,
    in_column,
    unknown_class,
)

MAX_BATCHES = 10_000


@dataclass(frozen=True, slots=True)
class SchoolOfFile:
    """The classes, sessions, students and statuses of a school, which a file names. `tombstones`: of its students."""

    id: int
    names: RosterNames
    statuses: SchoolStatuses
    tombstones: Tombstones = NO_TOMBSTONES

    def is_erased(self, student_names: RowNames) -> bool:
        """Whether a line names a student who was erased. Only a source id shows it."""
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
    names: list[RowNames] = field(default_factory=list[RowNames])
    marks: list[StudentMark] = field(default_factory=list[StudentMark])
    unchanged: int = 0
    """The number of lines that are left out, because they say what is recorded, or what another line says."""

    @property
    def total(self) -> int:
        return len(self.marks) + self.unchanged

    def leave_out_unchanged(self, records: Mapping[int, RecordedMark]) -> None:
        """Leaves out the lines whose mark is recorded already. An empty status is that of a cleared mark."""
        kept = [not _is_recorded(records.get(each.student_id), each.mark) for each in self.marks]
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

    def _named_as_in_file(self, violation: Violation, names: RowNames) -> Violation:
        """Names the student as the file does: its reader may not know Adsum's id."""
        details = {
            "unknown_student": f"there is no {names[0]}",
            "not_enrolled": f"{names[0]} is not enrolled in this class on that day",
            "not_on_roster": f"{names[0]} is not on the roster of this class on that day",
        }
        return self.school.names.with_similar_students(violation.code, details[violation.code], names)


def _is_recorded(record: RecordedMark | None, mark: Mark) -> bool:
    """Whether a record has the mark of a line."""
    return record is not None and replace(record, status=record.status or "").is_unchanged_by(mark)


def _is_part_of(mark: Mark, other: Mark) -> bool:
    """Whether everything in a line is also in another line."""
    return RecordedMark(other.status, other.note, 0, other.arrived_at, other.left_at).is_unchanged_by(mark)


@dataclass(frozen=True, slots=True)
class SchoolsOfFile:
    """The schools of a file: one for all lines, or of each class that the file names by Adsum's id."""

    only: SchoolOfFile | None = None
    by_class: Mapping[str, SchoolOfFile] = field(default_factory=dict[str, SchoolOfFile])

    def of(self, names: RowNames) -> SchoolOfFile | Violation:
        """The school of a class."""
        if self.only is not None:
            return self.only
        own_id = next((name for name in names if name.is_own_id), None)
        if own_id is None:
            detail = f"{names[0]} may be in several schools: name the class in the column classId, or name the school"
            return in_column(names[0], "several_schools", detail)
        unknown = in_column(own_id, "unknown_class", f"there is no {own_id} with a session")
        return self.by_class.get(own_id.text) or unknown_class(unknown, own_id)


class _GroupedLines:
    """The lines of a file by class, session and day. Equal names and marks are stored once."""

    def __init__(self, schools: SchoolsOfFile, violations: ListedViolations, warnings: ListedViolations) -> None:
        self.groups: dict[Batch, Group] = {}
        self._schools = schools
        self._violations = violations
        self._warnings = warnings
        self._names: dict[RowNames, RowNames] = {}
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

    def _add_again(self, row: MarkRow, group: Group, student_id: int, names: RowNames, mark: Mark) -> None:
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
    lines = _GroupedLines(schools, violations, warnings)
    for row in rows:
        if isinstance(row, WrongRow):
            violations.add_located(row.violations)
        else:
            lines.add(row)
    return list(lines.groups.values())


def _erased(names: RowNames) -> Violation:
    """The warning does not repeat the id of the erased student, which an idempotency key would store."""
    name = next(name for name in names if not name.is_own_id)
    return in_column(name, "erased_person", "this student was erased, so the line is left out")


def _repeated(row: MarkRow, earlier: int) -> Violation:
    detail = f"{row.student_names[0]} is already in line {earlier}, for the same class, session and day"
    return in_column(row.student_names[0], "student_repeated", detail, earlierRow=earlier)


def _contradicts(row: MarkRow, earlier: int, other: Name) -> Violation:
    """If two records of one student differ, a person has to choose, as in a merge."""
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
