"""Reads and replaces the weekly times of sessions: of one session, or of a whole school from CSV."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Sequence
from datetime import date

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.audit.repository import record
from adsum.accounts.audit.rules import Action
from adsum.accounts.named_schools import require_school
from adsum.platform.clock import Clock
from adsum.platform.database.answers import KeyedRequest, claim_key, require_unanswered, store_result
from adsum.platform.database.engine import Connection, Database
from adsum.platform.days import today_in
from adsum.platform.errors import Conflict, NotFound, refuse
from adsum.platform.files.listed_violations import ListedViolations
from adsum.roster.naming.repository import schools_with_classes, visible_sessions
from adsum.roster.naming.rules import RosterNames, classes_unknown, with_schools
from adsum.roster.repository.classes import find_class, is_visible_session, school_of_session
from adsum.roster.rules import ClassRow
from adsum.roster.timetable.repository import changed_times, replace_times, times_by_session, times_of
from adsum.roster.timetable.rules import (
    TimedSession,
    TimetablePlan,
    TimetableReport,
    validate_session_times,
)
from adsum.schools.calendar.rules import SessionTime, week_of
from adsum.schools.repository import today_of_school, today_of_schools


class Timetables:
    """The weekly times of sessions."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def times(self, session_id: int, caller: Caller, day: date | None = None) -> list[SessionTime]:
        """The times of a session on a day, or on the school's today, in the order of the week.

        Raises:
            Forbidden: without `roster:read`.
            NotFound: there is no such session, or the caller does not see its class today.
        """
        require_permission(caller, Permission.ROSTER_READ)
        async with self._database.snapshot() as connection:
            await self._require_visible(connection, session_id, caller)
            day = day or await self._today(connection, session_id)
            return sorted(week_of(day, await times_of(connection, session_id)))

    async def of_classes(self, school_id: int, class_ids: Collection[int], caller: Caller) -> list[TimedSession]:
        """The sessions of these classes of a school, by class and period, each with its times of today.

        Raises:
            Forbidden: without `school:manage`.
            NotFound: there is no such school, or the caller does not see it.
        """
        require_permission(caller, Permission.SCHOOL_MANAGE)
        async with self._database.snapshot() as connection:
            await require_school(connection, caller, school_id)
            today = await today_of_school(connection, school_id, self._now())
            return await times_by_session(connection, school_id, class_ids, today)

    async def of_class(self, school_id: int, class_id: int, caller: Caller) -> tuple[ClassRow, list[TimedSession]]:
        """A class of a school, and its sessions with their times of today. Raises as `of_classes`."""
        require_permission(caller, Permission.SCHOOL_MANAGE)
        async with self._database.snapshot() as connection:
            today = await today_of_schools(connection, caller, self._now())
            found = await find_class(connection, caller, class_id, today)
            if found is None or found.school_id != school_id:
                raise NotFound(f"school {school_id} has no class {class_id}", schoolId=school_id, classId=class_id)
            today = today_in(found.time_zone, self._now())
            return found, await times_by_session(connection, school_id, [class_id], today)

    async def replace(
        self, session_id: int, times: Sequence[SessionTime], caller: Caller, *, valid_from: date | None = None
    ) -> list[SessionTime]:
        """Replaces all times of a session from a day on; earlier days keep theirs.

        Args:
            session_id: of the session.
            times: its week from then on.
            caller: with `school:manage`.
            valid_from: None: today, or every day if the session has no times yet.

        Raises:
            Forbidden: without `school:manage`.
            NotFound: there is no such session, or the caller does not see it.
            Invalid: with every violation.
        """
        require_permission(caller, Permission.SCHOOL_MANAGE)
        async with self._database.transaction() as connection:
            await self._require_visible(connection, session_id, caller)
            refuse(validate_session_times(times))
            today = await self._today(connection, session_id)
            await replace_times(connection, {session_id: times}, valid_from, today)
            school_id, _ = await school_of_session(connection, session_id)
            after = {"sessionId": session_id, "times": len(times)}
            await record(connection, caller, Action.TIMETABLE_CHANGED, school_id=school_id, after=after)
        return sorted(times)

    async def import_file(
        self,
        school_id: int,
        content: bytes,
        caller: Caller,
        *,
        dry_run: bool = False,
        valid_from: date | None = None,
        keyed: KeyedRequest[TimetableReport] | None = None,
    ) -> TimetableReport:
        """Replaces all times of every session in the file from a day on, as `replace` does, or changes nothing.

        `class` is a source id; `session` a period, which is empty for the only session of a class, or a source id.
        `classId` and `sessionId` are Adsum's ids.

        Raises:
            Forbidden: without `school:manage`.
            NotFound: there is no such school, or the caller does not see it.
            Malformed: not CSV with these columns.
            Invalid: with every violation, by line.
            Conflict: a session of the file has ended since the file was read.
        """
        require_permission(caller, Permission.SCHOOL_MANAGE)
        names = await self._names_for(school_id, caller, keyed)
        # In a thread and before the transaction: a long file must block neither other requests nor other changes.
        plan = await asyncio.to_thread(TimetablePlan.of, content, names)
        await self._refuse(plan.violations, caller, school_id)
        async with self._database.transaction() as connection:
            await claim_key(connection, keyed)
            await _refuse_ended(connection, plan, caller, school_id)
            today = await today_of_school(connection, school_id, self._now())
            changed = await changed_times(connection, plan.times, valid_from, today)
            if not dry_run:
                await replace_times(connection, plan.times, valid_from, today)
                await _record_import(connection, caller, school_id, plan, content)
            report = TimetableReport(dry_run, len(plan.times), plan.number_of_times, len(changed))
            await store_result(connection, keyed, report)
        return report

    async def _names_for(
        self, school_id: int, caller: Caller, keyed: KeyedRequest[TimetableReport] | None
    ) -> RosterNames:
        """The names that a file may use. Raises AlreadyAnswered before it is read, and NotFound."""
        async with self._database.snapshot() as connection:
            await require_unanswered(connection, keyed)
            await require_school(connection, caller, school_id)
            return RosterNames(await visible_sessions(connection, caller, school_id, active=True))

    async def _refuse(self, violations: ListedViolations, caller: Caller, school_id: int) -> None:
        """Raises Invalid, if there are violations. They name the schools of classes that this one does not have."""
        unknown = classes_unknown(violations.items)
        if unknown:
            async with self._database.snapshot() as connection:
                schools = await schools_with_classes(connection, caller, unknown, other_than=school_id)
            violations.items = list(with_schools(violations.items, schools))
        violations.refuse()

    async def _require_visible(self, connection: Connection, session_id: int, caller: Caller) -> None:
        today = await today_of_schools(connection, caller, self._now())
        if not await is_visible_session(connection, caller, session_id, today):
            raise NotFound(f"there is no session {session_id}", sessionId=session_id)

    async def _today(self, connection: Connection, session_id: int) -> date:
        _, time_zone = await school_of_session(connection, session_id)
        return today_in(time_zone, self._now())


async def _refuse_ended(connection: Connection, plan: TimetablePlan, caller: Caller, school_id: int) -> None:
    still_active = {each.id for each in await visible_sessions(connection, caller, school_id, active=True)}
    if not still_active.issuperset(plan.times):
        raise Conflict("some sessions of the file ended while it was being read: send it again")


async def _record_import(
    connection: Connection, caller: Caller, school_id: int, plan: TimetablePlan, content: bytes
) -> None:
    digest = hashlib.sha256(content).hexdigest()
    after = {"sessions": len(plan.times), "times": plan.number_of_times, "sha256": digest}
    await record(connection, caller, Action.TIMETABLE_CHANGED, school_id=school_id, after=after)
