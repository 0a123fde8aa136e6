"""Timetables: when sessions meet in each week; those of one session, or a whole school's as CSV."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import Invalid, NotFound, Violation
from adsum.roster.repository import is_visible_session
from adsum.roster.rules import SessionRow
from adsum.roster.timetable.repository import (
    SessionPlace,
    replace_times,
    sessions_of_school,
    times_by_session,
    times_of,
)
from adsum.roster.timetable.rules import TimetableRow, read_timetable, row_violation
from adsum.schools.calendar.rules import MAX_TIMES, SessionTime, validate_times
from adsum.schools.repository import today_of_schools
from adsum.schools.service import require_school


@dataclass(frozen=True, slots=True)
class TimetableReport:
    """What an import has changed, or, of a dry run, would change: so many sessions got so many times together."""

    dry_run: bool
    sessions: int
    times: int


class Timetables:
    """Times of sessions. `now` is the clock."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def times(self, session_id: int, caller: Caller) -> list[SessionTime]:
        """The times of a session, from Monday morning on.

        Raises:
            Forbidden: without `roster:read`.
            NotFound: there is no such session, or the caller does not see its class today.
        """
        require_permission(caller, Permission.ROSTER_READ)
        async with self._database.snapshot() as connection:
            await self._require(connection, session_id, caller)
            return await times_of(connection, session_id)

    async def of_classes(
        self, school_id: int, class_ids: Collection[int], caller: Caller
    ) -> list[tuple[SessionRow, list[SessionTime]]]:
        """The sessions of some classes of a school, by class and period, each with its times from Monday morning on.

        Raises:
            Forbidden: without `school:manage`.
            NotFound: there is no such school, or it is not the caller's.
        """
        require_permission(caller, Permission.SCHOOL_MANAGE)
        async with self._database.snapshot() as connection:
            await require_school(connection, caller, school_id)
            return await times_by_session(connection, school_id, class_ids)

    async def replace(self, session_id: int, times: Sequence[SessionTime], caller: Caller) -> list[SessionTime]:
        """Gives a session these times and no others; none: nobody says when it meets.

        Raises:
            Forbidden: without `school:manage`.
            NotFound: there is no such session, or the caller does not see it.
            Invalid: with one violation for every wrong thing.
        """
        require_permission(caller, Permission.SCHOOL_MANAGE)
        violations = [
            Violation(violation.code, violation.detail, f"/times/{i}{violation.pointer}", violation.params)
            for i, violation in validate_times(times)
        ]
        if len(times) > MAX_TIMES:
            detail = f"a session has at most {MAX_TIMES} times a week"
            violations.append(Violation("too_long", detail, "/times", {"maximum": MAX_TIMES}))
        async with self._database.transaction() as connection:
            await self._require(connection, session_id, caller)
            if violations:
                raise Invalid("; ".join(violation.detail for violation in violations), violations)
            await replace_times(connection, {session_id: times})
        return sorted(times)

    async def import_csv(
        self, school_id: int, content: bytes, caller: Caller, *, dry_run: bool = False
    ) -> TimetableReport:
        """Gives every session that the file names its times and no others: all of the file, or nothing.

        A class is named by its id in the roster file, or by ours; a session by its period, which is empty for the only
        one of a class, or by our id.

        Raises:
            Forbidden: without `school:manage`.
            NotFound: there is no such school, or it is not the caller's.
            Malformed: this is no CSV with these columns.
            Invalid: with one violation for every wrong thing, by line.
        """
        require_permission(caller, Permission.SCHOOL_MANAGE)
        rows = read_timetable(content)
        async with self._database.transaction() as connection:
            await require_school(connection, caller, school_id)
            plan = _Plan(_Names(await sessions_of_school(connection, school_id)))
            for row in rows:
                plan.add(row)
            if plan.violations:
                raise Invalid(f"{len(plan.violations)} things are wrong with this timetable", plan.violations)
            if not dry_run:
                await replace_times(connection, plan.times)
        return TimetableReport(dry_run, len(plan.times), sum(map(len, plan.times.values())))

    async def _require(self, connection: Connection, session_id: int, caller: Caller) -> None:
        today = await today_of_schools(connection, caller, self._now())
        if not await is_visible_session(connection, caller, session_id, today):
            raise NotFound(f"there is no session {session_id}", sessionId=session_id)


class _Names:
    """What the sessions of a school may be called."""

    def __init__(self, places: Sequence[SessionPlace]) -> None:
        # What the roster file calls them wins over our ids.
        self._classes = {str(place.class_id): place.class_id for place in places}
        self._classes |= {place.class_source_id: place.class_id for place in places if place.class_source_id}
        self._sessions = {(place.class_id, str(place.session_id)): place.session_id for place in places}
        self._sessions |= {(place.class_id, place.period): place.session_id for place in places}

    def session_of(self, row: TimetableRow) -> int | Violation:
        class_id = self._classes.get(row.class_name)
        if class_id is None:
            detail = f"there is no class {row.class_name[:40]!r} with a session"
            return row_violation(row.line, Violation("unknown_class", detail))
        session_id = self._sessions.get((class_id, row.session_name))
        if session_id is None:
            detail = f"class {row.class_name[:40]!r} has no session {row.session_name[:40]!r}"
            return row_violation(row.line, Violation("session_not_of_class", detail))
        return session_id


@dataclass(slots=True)
class _Plan:
    """The times of each session that a file names, and what is wrong with it so far."""

    names: _Names
    times: dict[int, list[SessionTime]] = field(default_factory=dict[int, list[SessionTime]])
    violations: list[Violation] = field(default_factory=list[Violation])

    def add(self, row: TimetableRow) -> None:
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
            self.violations.append(row_violation(row.line, Violation("time_repeated", detail)))
        elif len(times) == MAX_TIMES:
            detail = f"session {session_id} has more than {MAX_TIMES} times a week"
            self.violations.append(
                row_violation(row.line, Violation("too_long", detail, params={"maximum": MAX_TIMES}))
            )
        times.append(row.time)
