"""Timetables, and their CSV form `class,session,weekday,begins,ends`: one line for each weekly time of a session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from adsum.platform.csv_files import CsvForm, Line
from adsum.platform.errors import Violation
from adsum.roster.rules import SessionRow
from adsum.schools.calendar.rules import MAX_TIMES, SessionTime, validate_times

TIMETABLE = CsvForm("timetable.csv", ("class", "session", "weekday", "begins", "ends"))
_NO_TIME = SessionTime(0, "", "")

TimedSession: TypeAlias = tuple[SessionRow, list[SessionTime]]
"""A session and its times, in the order of the week."""


@dataclass(frozen=True, slots=True)
class SessionPlace:
    """The names by which a file can refer to a session. `period` is '' for the only session of a class."""

    session_id: int
    period: str
    class_id: int
    class_source_id: str | None


@dataclass(frozen=True, slots=True)
class TimetableReport:
    """The number of sessions that an import gives times, and of their times together; of a dry run, would give."""

    dry_run: bool
    sessions: int
    times: int


@dataclass(frozen=True, slots=True)
class TimetableRow:
    """A line of a timetable; `line` 1 is the header. `violations` are those of its form."""

    line: int
    class_name: str
    session_name: str
    time: SessionTime
    violations: tuple[Violation, ...] = ()


def read_timetable(content: bytes) -> list[TimetableRow]:
    """The lines of a timetable without blank ones. The columns may have any order.

    Raises:
        Malformed: not UTF-8, or not CSV with these columns.
    """
    return [_row(line) for line in TIMETABLE.lines(content)]


def _row(line: Line) -> TimetableRow:
    if line.violation is not None:
        return TimetableRow(line.number, "", "", _NO_TIME, (line.violation,))
    cells = line.cells
    weekday = int(cells["weekday"]) if cells["weekday"] in {"1", "2", "3", "4", "5", "6", "7"} else 0
    time = SessionTime(weekday, cells["begins"], cells["ends"])
    violations = tuple(TIMETABLE.violation(line.number, violation) for _, violation in validate_times([time]))
    return TimetableRow(line.number, cells["class"], cells["session"], time, violations)


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


@dataclass(slots=True)
class TimetablePlan:
    """The times of each session in a file, and the violations found so far."""

    names: SessionNames
    times: dict[int, list[SessionTime]] = field(default_factory=dict[int, list[SessionTime]])
    violations: list[Violation] = field(default_factory=list[Violation])

    def add(self, row: TimetableRow) -> None:
        """Adds a line of the file."""
        self.violations += row.violations
        session = self.names.session_of(row) if row.class_name or not row.violations else None
        if isinstance(session, Violation):
            self.violations.append(session)
        elif session is not None:
            self._add_time(session, row)

    def _add_time(self, session_id: int, row: TimetableRow) -> None:
        times = self.times.setdefault(session_id, [])
        if any((time.weekday, time.begins) == (row.time.weekday, row.time.begins) for time in times):
            detail = f"session {session_id} begins twice at {row.time.begins[:10]} on weekday {row.time.weekday}"
            self.violations.append(TIMETABLE.violation(row.line, Violation("time_repeated", detail)))
        elif len(times) == MAX_TIMES:
            detail = f"session {session_id} has more than {MAX_TIMES} times a week"
            violation = Violation("too_long", detail, params={"maximum": MAX_TIMES})
            self.violations.append(TIMETABLE.violation(row.line, violation))
        times.append(row.time)


class SessionNames:
    """Finds the session of a school that a line of a timetable names."""

    def __init__(self, places: Sequence[SessionPlace]) -> None:
        # Source ids and periods take precedence over Adsum's ids.
        self._classes = {str(place.class_id): place.class_id for place in places}
        self._classes |= {place.class_source_id: place.class_id for place in places if place.class_source_id}
        self._sessions = {(place.class_id, str(place.session_id)): place.session_id for place in places}
        self._sessions |= {(place.class_id, place.period): place.session_id for place in places}

    def session_of(self, row: TimetableRow) -> int | Violation:
        """The id of the session, or the violation if there is none."""
        class_id = self._classes.get(row.class_name)
        if class_id is None:
            detail = f"there is no class {row.class_name[:40]!r} with a session"
            return TIMETABLE.violation(row.line, Violation("unknown_class", detail))
        session_id = self._sessions.get((class_id, row.session_name))
        if session_id is None:
            detail = f"class {row.class_name[:40]!r} has no session {row.session_name[:40]!r}"
            return TIMETABLE.violation(row.line, Violation("session_not_of_class", detail))
        return session_id
