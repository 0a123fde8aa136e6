"""Statements that accepting submissions needs: the context of a class, the state of a batch."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, TypeAlias

from sqlalchemy import BigInteger, Boolean, Date, Integer, String
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.absences.rules import AppliedAbsence, StudentAbsence
from adsum.accounts.access import Caller
from adsum.accounts.visibility import can_see_school
from adsum.attendance.rules import RecordedMark
from adsum.batches.repository import tallies
from adsum.batches.repository.runs import close_runs, find_runs
from adsum.batches.rules import RunState
from adsum.batches.run import Run
from adsum.platform.database.columns import Json
from adsum.platform.database.sql_files import input_rows, sql_file
from adsum.platform.days import ALWAYS, Span
from adsum.platform.ids import Batch
from adsum.schools.calendar.rules import Calendar, ClosedDay, SessionTime
from adsum.schools.rules import weekdays_of

_CLASS_CONTEXTS = sql_file(
    "adsum.batches",
    "class_contexts",
    returns={
        "class_id": BigInteger,
        "session_id": BigInteger,
        "user_id": BigInteger,
        "school_id": BigInteger,
        "time_zone": String,
        "edit_window_days": Integer,
        "records_from": Date,
        "weekdays": String,
        "fence": Integer,
        "taught": Json,
        "covered": Json,
        "first_day": Date,
        "last_day": Date,
        "state_day": Date,
        "closed": Json,
        "has_terms": Boolean,
        "terms": Json,
        "terms_of_class": Json,
        "times": Json,
        "valid": Json,
        "gaps": Json,
        "students": Json,
        "newest_run": Json,
        "records": Json,
        "absences": Json,
    },
)


@dataclass(frozen=True, slots=True)
class BatchSnapshot:
    """The state of a batch when a submission is decided.

    Attributes:
        number: of the newest run; 0: there is none.
        newest_run: its id, or None.
        is_open: whether it is open.
        records: the record of each student in this session and day, including cleared marks.
        planned_absences: planned absences on that day of students of the class, without reasons.
        open_run: the newest run, if it is open and loaded. Only the newest run can be open.
        is_finished: whether every job of the open run has an outcome: then `accept` closes it.
        ended: the finished run that `accept` has closed.
    """

    number: int
    newest_run: str | None
    is_open: bool
    records: Mapping[int, RecordedMark]
    planned_absences: Sequence[StudentAbsence] = ()
    open_run: Run | None = None
    is_finished: bool = False
    ended: Run | None = None

    @property
    def is_settled(self) -> bool:
        """Whether no job of the newest run is pending, so that `records` are what is recorded."""
        return not self.is_open or self.is_finished

    @property
    def has_office_marks(self) -> bool:
        """Whether the office has set anything that takes precedence over a teacher's mark."""
        return bool(self.planned_absences) or any(record.is_offices for record in self.records.values())


_Key: TypeAlias = "tuple[int, int | None, int | None, date | None, date | None, date | None]"


@dataclass(frozen=True, slots=True)
class ContextQuery:
    """The query for a `ClassContext`.

    Attributes:
        class_id: the class.
        session_id: a session that may belong to the class, or None.
        user_id: a teacher whose assignments and covers are looked up, or None.
        days: the first and the last day for the calendar, or None.
        loads_state: whether the roster and the state of the batch are loaded, if both days are one.
    """

    class_id: int
    session_id: int | None
    user_id: int | None
    days: tuple[date, date] | None = None
    loads_state: bool = True

    @property
    def state_day(self) -> date | None:
        """The day of the state that is loaded."""
        first, last = self.days or (None, None)
        return first if self.loads_state and first == last else None

    @property
    def key(self) -> _Key:
        """The columns of the row, which its context has, too."""
        first, last = self.days or (None, None)
        return self.class_id, self.session_id, self.user_id, first, last, self.state_day

    def to_row(self) -> dict[str, int | str | None]:
        first, last, state_day = self.key[3:]
        return {
            "class_id": self.class_id,
            "session_id": self.session_id,
            "user_id": self.user_id,
            "first_day": first and first.isoformat(),
            "last_day": last and last.isoformat(),
            "state_day": state_day and state_day.isoformat(),
        }


@dataclass(frozen=True, slots=True)
class ClassContext:
    """A class, its school, and the session of a submission.

    Attributes:
        class_id: of the class.
        school_id: of its school.
        time_zone: IANA name, of its school.
        edit_window_days: how long teachers may change the attendance of a day; None: without limit.
        records_from: the records of the days before were deleted; None: of no day.
        fence: of the session, when this was read; None: the class has no such session.
        taught: when the user of the query teaches or covers the session.
        calendar: the closed days, terms and session times of the days of the query.
        day: the day of the roster; None: the query was for several days or none, or did not load the state.
        roster: the ids of the students enrolled on that day, each once, in order.
        snapshot: the state of the batch on that day, without its open run: see `load_open_runs`. None without a day.
    """

    class_id: int
    school_id: int
    time_zone: str
    edit_window_days: int | None
    records_from: date | None
    fence: int | None
    taught: tuple[Span, ...]
    calendar: Calendar
    day: date | None
    roster: Sequence[int]
    snapshot: BatchSnapshot | None

    def is_visible_to(self, caller: Caller, day: date | None) -> bool:
        """Whether the caller sees the session on `day`; None: on any day. The rule is `is_taught_by` of
        `accounts.visibility`, of the days that the statement returns.
        """
        if not can_see_school(caller, self.school_id):
            return False
        return not caller.teaches_only or any(day is None or span.covers(day) for span in self.taught)


async def find_class_contexts(
    connection: AsyncConnection, queries: Collection[ContextQuery]
) -> dict[ContextQuery, ClassContext]:
    """The contexts of classes that exist, for any caller: see `ClassContext.is_visible_to`."""
    rows = await _CLASS_CONTEXTS.fetch_all(connection, input_rows(each.to_row() for each in queries))
    contexts = dict(_context(*row) for row in rows)
    return {each: contexts[each.key] for each in queries if each.key in contexts}


def _context(
    class_id: int, session_id: int | None, user_id: int | None, school_id: int, zone: str, *more: Any
) -> tuple[_Key, ClassContext]:
    edit_window_days, records_from, weekdays, fence, taught, covered, first_day, last_day, day = more[:9]
    *calendar, students, newest, records, absences = more[9:]
    context = ClassContext(
        class_id,
        school_id,
        zone,
        edit_window_days,
        records_from,
        fence,
        taught=_spans(taught) + _spans(covered),
        calendar=_calendar(weekdays, *calendar),
        day=day,
        roster=sorted(students or ()),
        snapshot=None if day is None else _snapshot(newest, records, absences),
    )
    return (class_id, session_id, user_id, first_day, last_day, day), context


def _snapshot(
    newest: tuple[int, str, str] | None, records: list[list[Any]] | None, absences: list[dict[str, Any]] | None
) -> BatchSnapshot:
    number, run_id, state = newest or (0, None, None)
    return BatchSnapshot(
        number=number,
        newest_run=run_id,
        is_open=state == RunState.OPEN,
        records={student_id: _recorded(*record) for student_id, *record in records or ()},
        planned_absences=tuple(map(_student_absence, absences or ())),
    )


def _calendar(
    weekdays: str,
    closed: list[tuple[str, str, str | None]] | None,
    has_terms: bool,
    terms: list[tuple[str, str]] | None,
    terms_of_class: list[tuple[str, str]] | None,
    times: list[tuple[int, str, str, str | None, str | None]] | None,
    valid: tuple[str | None, str | None] | None,
    gaps: list[tuple[str, str]] | None,
) -> Calendar:
    return Calendar(
        closed=tuple(ClosedDay(date.fromisoformat(day), reason, time) for day, reason, time in closed or ()),
        terms=_spans(terms) if has_terms else None,
        terms_of_class=_spans(terms_of_class) or None,
        times=tuple(
            SessionTime(weekday, begins, ends, valid=_span((begin, end)))
            for weekday, begins, ends, begin, end in times or ()
        ),
        valid=_span(valid) if valid else ALWAYS,
        gaps=_spans(gaps),
        weekdays=weekdays_of(weekdays),
    )


def _spans(spans: Sequence[tuple[str | None, str | None]] | None) -> tuple[Span, ...]:
    return tuple(_span(span) for span in spans or ())


def _span(days: tuple[str | None, str | None]) -> Span:
    begin, end = days
    return Span(_day(begin), _day(end))


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


async def visible_batches(connection: AsyncConnection, batches: Iterable[Batch], caller: Caller) -> list[Batch]:
    """Those whose session the caller sees on their day."""
    teacher_id = caller.user_id if caller.teaches_only else None
    queries = {batch: ContextQuery(batch.class_id, batch.session_id, teacher_id) for batch in batches}
    contexts = await find_class_contexts(connection, set(queries.values()))
    return [
        batch
        for batch, query in queries.items()
        if (context := contexts.get(query)) is not None and context.is_visible_to(caller, batch.learning_date)
    ]


async def load_snapshots(connection: AsyncConnection, batches: Collection[Batch]) -> dict[Batch, BatchSnapshot]:
    """The current state of batches whose class exists. Locks nothing and waits for no lock."""
    if not batches:
        return {}
    queries = [
        ContextQuery(each.class_id, each.session_id, None, (each.learning_date, each.learning_date)) for each in batches
    ]
    contexts = await find_class_contexts(connection, queries)
    loaded = {batch: contexts[query].snapshot for batch, query in zip(batches, queries, strict=True)}
    return await load_open_runs(connection, {batch: each for batch, each in loaded.items() if each is not None})


async def load_open_runs(
    connection: AsyncConnection, snapshots: Mapping[Batch, BatchSnapshot]
) -> dict[Batch, BatchSnapshot]:
    """Adds the open run of each batch, and whether it is finished."""
    open_ids = {batch: each.newest_run for batch, each in snapshots.items() if each.is_open and each.newest_run}
    if not open_ids:
        return dict(snapshots)
    runs = await find_runs(connection, list(open_ids.values()))
    counts = await tallies.tallies_of(connection, list(open_ids.values()))
    loaded = {
        batch: replace(snapshots[batch], open_run=runs[run_id], is_finished=not counts[run_id].remaining)
        for batch, run_id in open_ids.items()
    }
    return {**snapshots, **loaded}


async def close_finished(
    connection: AsyncConnection, snapshots: Mapping[Batch, BatchSnapshot], now: datetime
) -> dict[Batch, BatchSnapshot]:
    """Closes open runs that are finished, in a transaction that holds the fences of their sessions.

    Returns all snapshots, those of closed runs as they are now.
    """
    finished = {batch: each.open_run for batch, each in snapshots.items() if each.open_run and each.is_finished}
    if not finished:
        return dict(snapshots)
    closed = await close_runs(connection, [run.run_id for run in finished.values()], now)
    # The last jobs may have written records after the snapshot was read.
    newer = await load_snapshots(connection, finished)
    return {**snapshots} | {
        batch: replace(newer[batch], ended=run.ended(RunState.CLOSED, closed[run.run_id], now))
        if run.run_id in closed
        else newer[batch]
        for batch, run in finished.items()
    }


def _recorded(status: str | None, note: str | None, version: int, *more: Any) -> RecordedMark:
    arrived_at, left_at, is_offices = more
    return RecordedMark(status, note, version, arrived_at, left_at, bool(is_offices))


def _student_absence(row: dict[str, Any]) -> StudentAbsence:
    days = {name: date.fromisoformat(row[name]) for name in ("first_day", "last_day")}
    session_ids = None if row["session_ids"] is None else tuple(row["session_ids"])
    absence = AppliedAbsence.of_row(row | days | {"session_ids": session_ids})
    return StudentAbsence(row["id"], row["student_id"], absence)
