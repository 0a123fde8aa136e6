"""Writes events about registers that are taken or late, and about absences that nobody has explained.

The sweeper that leads calls all once in a few seconds. `announcements` has what was announced, so that each register
and each student of a day is announced once, also after another worker leads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import takewhile
from typing import Any

from typing_extensions import override

from adsum.accounts.access import system_caller
from adsum.attendance.repository import find_records_with_statuses, find_students_with_statuses
from adsum.attendance.rules import Record
from adsum.attendance.statuses.repository import statuses_of_school
from adsum.batches.repository.runs import batches_of_runs
from adsum.events.repository import (
    StoredEvent,
    announce,
    end_of_scan,
    lock_position,
    prune_announcements,
    read_ends,
    read_events,
    read_position,
    set_position,
)
from adsum.events.rules import Event, EventFilters
from adsum.events.service import PRUNE_PAUSE, PRUNED_AT_ONCE
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.platform.database.new_events import EventType, NewEvent, write_events
from adsum.platform.database.pruning import PagedPruning
from adsum.platform.ids import Batch
from adsum.registers.repository import (
    MarkedRegister,
    RegisterPosition,
    TakenRegister,
    find_taken_registers,
    list_registers,
)
from adsum.registers.rules import Register, RegisterFilters
from adsum.roster.repository.students import keep_students

PAUSE = timedelta(seconds=20)
# Registers are looked at twice, since clocks differ.
OVERLAP = timedelta(minutes=5)
REGISTERS_AT_ONCE = 200
EVENTS_AT_ONCE = 200
SCANNED_AT_ONCE = 10_000
# Longer than a day is marked, as a rule.
ANNOUNCED_FOR = timedelta(days=60)
# Absences that are recorded later are history: nobody has to be told at once.
RECENT = timedelta(days=7)
_MARKING = frozenset(
    {
        EventType.BATCH_COMPLETED,
        EventType.BATCH_COMPLETED_WITH_ERRORS,
        EventType.BATCH_CANCELLED,  # what it recorded before stays
        EventType.ATTENDANCE_CORRECTED,
    }
)


class MissingRegisters:
    """Announces registers that are not taken a while after their session began: `after`.

    A session without a time in the timetable has no beginning, and is never announced.
    """

    def __init__(self, database: Database, now: Clock, *, after: timedelta, at_once: int = REGISTERS_AT_ONCE) -> None:
        self._database = database
        self._now = now
        self._after = after
        self._at_once = at_once
        self._due = now()
        self._begun_since: datetime | None = None

    async def announce_if_due(self) -> int:
        """Announces the registers that are late now. The first call looks at all of today's, the next ones only at
        those whose session began meanwhile. Returns the number of registers.
        """
        now = self._now()
        if now < self._due:
            return 0
        begun_until = now - self._after
        announced, position = 0, None
        while True:
            page = await self._page(begun_until, position)
            announced += await self._announce(page, now)
            if len(page) < self._at_once:
                break
            position = page[-1].class_id, page[-1].session_id
        self._begun_since = begun_until - OVERLAP
        self._due = now + PAUSE
        return announced

    async def _page(self, begun_until: datetime, position: RegisterPosition | None) -> Sequence[Register]:
        filters = RegisterFilters(begun_since=self._begun_since)
        async with self._database.snapshot() as connection:
            return await list_registers(connection, system_caller(), filters, begun_until, position, self._at_once)

    async def _announce(self, registers: Sequence[Register], now: datetime) -> int:
        late = {(each.learning_date, each.session_id): each for each in registers if each.times}
        if not late:
            return 0
        async with self._database.transaction() as connection:
            new = await announce(connection, EventType.REGISTER_MISSING, late.keys())
            events = [
                NewEvent(EventType.REGISTER_MISSING, late[each].school_id, _register_data(late[each]))
                for each in sorted(new)
            ]
            await write_events(connection, events, now)
        return len(new)


def _register_data(register: Register) -> Mapping[str, Any]:
    return {
        "classId": register.class_id,
        "sessionId": register.session_id,
        "learningDate": register.learning_date.isoformat(),
        "state": register.state.value,
        "marked": register.marked,
        "expected": register.expected,
        "beganAt": register.times[0][0],
    }


class TakenRegisters:
    """Announces registers whose last student got a mark.

    It follows the events that tell of new marks, and reads the records after their commit. So it misses no register,
    whichever way its last mark came and whatever was recorded at the same time. A register that only got other marks
    was taken before: it is not announced, even if its announcement was pruned, or an earlier version never made one.
    """

    def __init__(self, database: Database, now: Clock, at_once: int = EVENTS_AT_ONCE) -> None:
        self._database = database
        self._now = now
        self._at_once = at_once

    async def announce(self) -> int:
        """Looks at the registers of new marks. Returns the number of registers that are announced."""
        follower = EventType.REGISTER_TAKEN
        return await _follow_marks(self._database, follower, self._now, self._at_once, self._announce)

    async def _announce(self, connection: Connection, rows: Sequence[StoredEvent], now: datetime) -> int:
        marked = await _marked_registers(connection, rows)
        taken = {(each.day, each.session_id): each for each in await find_taken_registers(connection, marked)}
        new = await announce(connection, EventType.REGISTER_TAKEN, taken.keys())
        events = [
            NewEvent(EventType.REGISTER_TAKEN, taken[each].school_id, _taken_data(taken[each])) for each in sorted(new)
        ]
        await write_events(connection, events, now)
        return len(new)


async def _marked_registers(connection: Connection, rows: Sequence[StoredEvent]) -> set[MarkedRegister]:
    """The registers that events are about, without corrections of students who had a mark before."""
    batches = await _batches(connection, rows)
    by_runs = {MarkedRegister(batch.session_id, batch.learning_date, run_id) for run_id, batch in batches.items()}
    corrected = {
        MarkedRegister(*_session_and_day(event)) for event, run_id in rows if run_id is None and _is_new_mark(event)
    }
    return by_runs | corrected


def _is_new_mark(correction: Event) -> bool:
    return correction.data["previousStatus"] is None


def _taken_data(register: TakenRegister) -> Mapping[str, Any]:
    return {
        "batchId": Batch(register.class_id, register.session_id, register.day).id,
        "classId": register.class_id,
        "sessionId": register.session_id,
        "learningDate": register.day.isoformat(),
        "expected": register.expected,
    }


class UnexplainedStudents:
    """Announces students who are absent, and whose absence nobody has explained within `after`.

    It follows the events that tell of new marks, so that its work depends on what happens, not on the number of
    records.
    """

    def __init__(self, database: Database, now: Clock, *, after: timedelta, at_once: int = EVENTS_AT_ONCE) -> None:
        self._database = database
        self._now = now
        self._after = after
        self._at_once = at_once

    async def announce(self) -> int:
        """Looks at the marks that are old enough by now. Returns the number of announced students."""
        follower = EventType.STUDENT_UNEXPLAINED
        return await _follow_marks(self._database, follower, self._now, self._at_once, self._announce, self._after)

    async def _announce(self, connection: Connection, rows: Sequence[StoredEvent], now: datetime) -> int:
        announced = 0
        for school_id, sessions in (await _sessions(connection, rows, (now - RECENT).date())).items():
            codes = (await statuses_of_school(connection, school_id)).unexplained
            absent = await find_students_with_statuses(
                connection, school_id, sessions, codes, marked_before=now - self._after
            )
            stored = await keep_students(connection, {student_id for student_id, _ in absent})
            subjects = {(day, student_id) for student_id, day in absent if student_id in stored}
            new = await announce(connection, EventType.STUDENT_UNEXPLAINED, subjects)
            records = await find_records_with_statuses(
                connection, system_caller(), school_id, {(student_id, day) for day, student_id in new}, codes
            )
            await write_events(connection, _unexplained_events(school_id, records), now)
            announced += len(new)
        return announced


class AnnouncementPruning(PagedPruning):
    """Deletes announcements of days long ago. A register of such a day is announced again if one of its marks is
    removed and set again.
    """

    def __init__(self, database: Database, now: Clock, *, page: int = PRUNED_AT_ONCE) -> None:
        super().__init__(database, now, page=page, pause=PRUNE_PAUSE)

    @override
    async def _prune(self, connection: Connection, now: datetime) -> int:
        return await prune_announcements(connection, (now - ANNOUNCED_FOR).date(), self._page)


async def _follow_marks(
    database: Database,
    reader: EventType,
    clock: Clock,
    at_once: int,
    announce_from: Callable[[Connection, Sequence[StoredEvent], datetime], Awaitable[int]],
    after: timedelta = timedelta(0),
) -> int:
    """Passes the next events that tell of marks and are old enough to `announce_from`, page by page. Each page and the
    position after it are stored in one transaction. Returns the number of announcements.
    """
    announced, has_more = 0, True
    while has_more:
        now = clock()
        async with database.snapshot() as connection:
            begin = await read_position(connection, reader)
            events, position, has_more = await _events_of_marks(connection, begin, now - after, at_once)
        if position > begin:
            async with database.transaction() as connection:
                # Another process may have announced the same events meanwhile, and the announcements of long ago may be
                # pruned already, so that nothing else would show it.
                if await lock_position(connection, reader) != begin:
                    has_more = True
                    continue
                announced += await announce_from(connection, events, now)
                await set_position(connection, reader, position)
    return announced


async def _events_of_marks(
    connection: Connection, position: int, before: datetime, limit: int
) -> tuple[list[StoredEvent], int, bool]:
    """The next events that tell of marks and happened before a time; the position after them; whether more may follow
    at once.
    """
    ends = await read_ends(connection)
    begin = max(position, ends.pruned_id)
    ids = range(begin + 1, await end_of_scan(connection, ends, begin, SCANNED_AT_ONCE) + 1)
    rows = await read_events(connection, system_caller(), EventFilters(_MARKING), ids, limit)
    old = list(takewhile(lambda row: row[0].occurred_at <= before, rows))
    if len(old) < len(rows):
        return old, rows[len(old)][0].id - 1, False
    if len(rows) == limit:
        return old, rows[-1][0].id, True
    return old, ids.stop - 1, ids.stop <= ends.last_id


async def _sessions(
    connection: Connection, rows: Sequence[StoredEvent], first_day: date = date.min
) -> Mapping[int, Collection[tuple[int, date]]]:
    """By school, the sessions and days that events are about, from a day on."""
    batches = await _batches(connection, rows)
    found: defaultdict[int, set[tuple[int, date]]] = defaultdict(set)
    for event, run_id in rows:
        if run_id is None:
            session, day = _session_and_day(event)
        elif run_id in batches:
            session, day = batches[run_id].session_id, batches[run_id].learning_date
        else:
            continue
        if event.school_id is not None and day >= first_day:
            found[event.school_id].add((session, day))
    return found


async def _batches(connection: Connection, rows: Sequence[StoredEvent]) -> Mapping[str, Batch]:
    """The batches of the runs that events are about, by run. A run that retention has deleted is left out."""
    return await batches_of_runs(connection, {run_id for _, run_id in rows if run_id is not None})


def _session_and_day(correction: Event) -> tuple[int, date]:
    return correction.data["sessionId"], date.fromisoformat(correction.data["learningDate"])


def _unexplained_events(school_id: int, records: Sequence[Record]) -> list[NewEvent]:
    """One event for each student and day."""
    by_day: defaultdict[tuple[int, date], list[Record]] = defaultdict(list)
    for record in records:
        by_day[record.student_id, record.learning_date].append(record)
    return [
        NewEvent(
            EventType.STUDENT_UNEXPLAINED,
            school_id,
            {
                "studentId": student_id,
                "learningDate": day.isoformat(),
                "absences": [_absence_data(record) for record in of_day],
            },
        )
        for (student_id, day), of_day in by_day.items()
    ]


def _absence_data(record: Record) -> Mapping[str, Any]:
    return {
        "classId": record.class_id,
        "sessionId": record.session_id,
        "learningDate": record.learning_date.isoformat(),
        "attendanceId": record.id,
        "status": record.status,
    }
