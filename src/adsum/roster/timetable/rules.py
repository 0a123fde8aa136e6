"""Timetables, and their CSV form `class,session,weekday,begins,ends`: one line for each weekly time of a session.

`classId` and `sessionId` hold Adsum's ids instead of source ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TypeAlias

from adsum.platform.days import Span, time_of, weekday_named
from adsum.platform.errors import Violation
from adsum.platform.files.csv_files import CsvForm, Line
from adsum.platform.files.file_violations import missing_value
from adsum.platform.files.listed_violations import ListedViolations
from adsum.roster.naming.rules import CLASS_COLUMNS, SESSION_COLUMNS, RosterNames, RowNames, names_in
from adsum.roster.rules import SessionRow
from adsum.schools.calendar.rules import MAX_TIMES, SessionTime, validate_times

TIMETABLE = CsvForm("timetable.csv", (CLASS_COLUMNS, SESSION_COLUMNS, ("weekday",), ("begins",), ("ends",)))

TimedSession: TypeAlias = tuple[SessionRow, list[SessionTime]]
"""A session and its times on a day, in the order of the week."""


@dataclass(frozen=True, slots=True)
class TimetableReport:
    """The numbers of an import, or the expected numbers of a dry run.

    Attributes:
        dry_run: nothing was changed.
        sessions: in the file.
        times: of these sessions together.
        changed: the sessions that get other times than they have.
    """

    dry_run: bool
    sessions: int
    times: int
    changed: int = 0


@dataclass(frozen=True, slots=True)
class TimetableRow:
    """A line of a timetable with right names; `line` 1 is the header."""

    line: int
    class_names: RowNames
    session_names: RowNames
    time: SessionTime


def read_timetable(content: bytes, into: ListedViolations) -> Iterator[TimetableRow]:
    """The lines of a timetable with right names. The columns may have any order.

    Args:
        content: the file.
        into: receives the violations that the file has in any school.

    Raises:
        Malformed: not UTF-8, or not CSV with these columns.
        Invalid: there are more lines than one import accepts.
    """
    for line in TIMETABLE.lines(content):
        violations: list[Violation] = []
        row = _row(line, violations) if line.violation is None else None
        into.add_located([line.violation] if line.violation is not None else [])
        for violation in violations:
            into.add(line.number, violation)
        if row is not None:
            yield row


def violations_of_lines(content: bytes) -> ListedViolations:
    """The violations that a timetable has in any school. Raises as `read_timetable`."""
    violations = ListedViolations(TIMETABLE)
    for _ in read_timetable(content, violations):
        pass
    return violations


def _row(line: Line, violations: list[Violation]) -> TimetableRow | None:
    """The row, and its violations; None: a name is wrong."""
    cells = line.cells
    weekday = weekday_named(cells["weekday"])
    # Any day stands for an unknown one, whose violation is its own.
    time = SessionTime(weekday or 1, time_of(cells["begins"]), time_of(cells["ends"]))
    class_names = names_in(cells, CLASS_COLUMNS, violations)
    session_names = names_in(cells, SESSION_COLUMNS, violations, may_be_empty=True)
    empty = [name for name in ("weekday", "begins", "ends") if not cells[name]]
    violations += (missing_value([name]) for name in empty)
    if weekday is None and "weekday" not in empty:
        detail = f"{cells['weekday'][:20]!r} is no weekday: write 1 for Monday to 7 for Sunday, or its name"
        violations.append(Violation("out_of_range", detail, "/weekday", {"minimum": 1, "maximum": 7}))
    of_times = (violation for _, violation in validate_times([time]))
    violations += (violation for violation in of_times if violation.pointer[1:] not in empty)
    if class_names is None or session_names is None:
        return None
    return TimetableRow(line.number, class_names, session_names, time)


def validate_session_times(times: Sequence[SessionTime]) -> list[Violation]:
    """The violations of all times of one session, with pointers into `/times`."""
    violations = [
        Violation(violation.code, violation.detail, f"/times/{i}{violation.pointer}", violation.params)
        for i, violation in validate_times(times)
    ]
    if len(times) > MAX_TIMES:
        detail = f"a session has at most {MAX_TIMES} times a week"
        violations.append(Violation("too_long", detail, "/times", {"maximum": MAX_TIMES}))
    return violations


def times_after(
    stored: Sequence[SessionTime], week: Sequence[SessionTime], valid_from: date | None, today: date
) -> list[SessionTime]:
    """All times of a session once its week is `week`: before the day of the change, those that it had.

    Args:
        stored: all times that it has.
        week: from the day of the change on.
        valid_from: the day of the change; None: today, or every day if the session has no times yet.
        today: of the school.
    """
    begin = valid_from or today
    if not stored:
        return [replace(time, valid=Span(valid_from, None)) for time in week]
    earlier = [time for time in stored if time.valid.begin is None or time.valid.begin < begin]
    # A time that stays is one row, not one row for each import.
    staying = [time for time in earlier if time in week and time.valid.end in {None, begin}]
    ended = [
        replace(time, valid=Span(time.valid.begin, min(time.valid.end or begin, begin)))
        for time in earlier
        if time not in staying
    ]
    new = [replace(time, valid=Span(begin, None)) for time in week if time not in staying]
    return [*ended, *(replace(time, valid=Span(time.valid.begin, None)) for time in staying), *new]


@dataclass(slots=True)
class TimetablePlan:
    """The times of each session in a file, and all violations of the file."""

    names: RosterNames
    violations: ListedViolations = field(default_factory=lambda: ListedViolations(TIMETABLE))
    times: dict[int, list[SessionTime]] = field(default_factory=dict[int, list[SessionTime]])

    @classmethod
    def of(cls, content: bytes, names: RosterNames) -> TimetablePlan:
        """The plan of a file. Raises as `read_timetable`."""
        plan = cls(names)
        for row in read_timetable(content, plan.violations):
            plan._add(row)
        return plan

    @property
    def number_of_times(self) -> int:
        return sum(map(len, self.times.values()))

    def _add(self, row: TimetableRow) -> None:
        session = self.names.session_of(row.class_names, row.session_names)
        if isinstance(session, Violation):
            self.violations.add(row.line, session)
        else:
            self._add_time(session.id, row, f"{row.session_names[0]} of {row.class_names[0]}")

    def _add_time(self, session_id: int, row: TimetableRow, name: str) -> None:
        times = self.times.setdefault(session_id, [])
        if any((time.weekday, time.begins) == (row.time.weekday, row.time.begins) for time in times):
            detail = f"{name} begins twice at {row.time.begins[:10]} on weekday {row.time.weekday}"
            self.violations.add(row.line, Violation("time_repeated", detail, "/begins"))
        elif len(times) == MAX_TIMES:
            detail = f"{name} has more than {MAX_TIMES} times a week"
            self.violations.add(row.line, Violation("too_long", detail, params={"maximum": MAX_TIMES}))
        else:
            times.append(row.time)
