"""A file of marks: its lines, and from them one submission for each class, session and day.

The file is CSV or a workbook with the columns `class`, `session`, `student`, `date`, `status` and optionally `note`,
`arrivedAt`, `leftAt`. `classId`, `sessionId` and `studentId` hold Adsum's ids instead of source ids. An export of
records is such a file. A line whose mark is recorded already changes nothing and is valid whatever else has changed.

An export from before a merge names one student by the ids of two records. Equal lines of both count as one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from adsum.attendance.rules import Mark
from adsum.batches.rules import OnExisting
from adsum.batches.run import ChangedMark, MarkConflict
from adsum.batches.submission import BatchResult
from adsum.platform.days import WrongDay, day_in_file, time_of
from adsum.platform.errors import Violation
from adsum.platform.files.csv_files import CsvForm, Line
from adsum.platform.files.listed_violations import ListedViolations
from adsum.platform.ids import MAX_ID
from adsum.roster.naming.rules import (
    CLASS_COLUMNS,
    SESSION_COLUMNS,
    STUDENT_COLUMNS,
    Name,
    RowNames,
    in_column,
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
    class_names: RowNames
    session_names: RowNames
    student_names: RowNames
    day: date
    mark: Mark
    day_column: str = DATE[0]


@dataclass(frozen=True, slots=True)
class WrongRow:
    """A line with violations, which name the line."""

    violations: Sequence[Violation]


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
