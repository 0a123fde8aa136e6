"""The desk: late arrivals and early departures, applied to the registers that they concern."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from adsum.absences.rules import Absence
from adsum.absences.service import Absences
from adsum.accounts.access import Caller, Permission, require_permission
from adsum.attendance.rules import Mark
from adsum.attendance.statuses.repository import statuses_of_school
from adsum.batches.retry_cancel import BatchIsOpen
from adsum.batches.rules import OnExisting
from adsum.batches.service import AttendancesService
from adsum.batches.submission import BatchResult, Selection, StudentMark, Submission
from adsum.batches.undo import Undo
from adsum.platform.clock import Clock
from adsum.platform.database.answers import KeyedRequest, claim_key, require_unanswered, store_result
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import AdsumError, Invalid, NotFound, Violation, refuse
from adsum.platform.paging import Page, PageRequest, begin_of, by_number, page_of
from adsum.registers.desk.repository import add_entry, find_entry, list_entries, sessions_of_student, set_undone
from adsum.registers.desk.rules import (
    DeskEntry,
    DeskFilters,
    DeskKind,
    DeskMarks,
    DeskRun,
    DeskSession,
    DeskVisit,
    default_status,
    marks_of_arrival,
    marks_of_departure,
    validate_visit,
)
from adsum.registers.rules import LocalTime
from adsum.roster.service import school_of_student
from adsum.schools.locks import lock_school
from adsum.schools.repository import time_zone_of

ATTEMPTS = 30
PAUSE_S = 0.1
# In the history of records after the edit window. The reason of the visit stays with the office.
REASON = "entered at the desk"


@dataclass(frozen=True, slots=True)
class StudentDay:
    """The sessions of a student at a school on a day, by time. `now` is the school's present time."""

    school_id: int
    day: date
    now: LocalTime
    sessions: Sequence[DeskSession]


class Desk:
    """Enters and undoes late arrivals and early departures. Every method raises Forbidden without
    `attendance:overrule`.

    `now` is the clock.
    """

    def __init__(
        self, database: Database, attendances: AttendancesService, absences: Absences, undo: Undo, now: Clock
    ) -> None:
        self._database = database
        self._attendances = attendances
        self._absences = absences
        self._undo = undo
        self._now = now

    async def student_day(
        self, student_id: int, caller: Caller, *, school_id: int | None = None, day: date | None = None
    ) -> StudentDay:
        """The sessions of a student on a day, by default the school's today, at the home school by default.

        Raises:
            Invalid: there is no such student at a school that the caller sees.
        """
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        async with self._database.snapshot() as connection:
            return await self._student_day(connection, student_id, caller, school_id, day)

    async def enter(
        self,
        visit: DeskVisit,
        caller: Caller,
        keyed: KeyedRequest[DeskEntry] | None = None,
        *,
        school_id: int | None = None,
        day: date | None = None,
    ) -> DeskEntry:
        """Enters an arrival or a departure: marks of the sessions that it concerns, and of a departure a planned
        absence from the later ones.

        Each mark is a batch of one student, as a register makes it. All of them are checked before the first one is
        written. If a server fails in between, the same entry again adds what is missing; its undo then leaves the
        marks that were written before.

        Raises:
            Invalid: with all violations; nothing was written.
            BatchIsOpen: a register that it concerns is being saved; nothing was written.
            Unavailable: not known to be entered; the same entry again is safe.
        """
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        async with self._database.snapshot() as connection:
            await require_unanswered(connection, keyed)
            of = await self._student_day(connection, visit.student_id, caller, school_id, day)
            statuses = await statuses_of_school(connection, of.school_id)
        status = visit.status or default_status(visit.kind, statuses)
        refuse([*validate_visit(visit, status, statuses), *_wrong_day(of)])
        if visit.kind is DeskKind.ARRIVAL:
            made = marks_of_arrival(of.sessions, visit.time, status, statuses)
        else:
            made = marks_of_departure(of.sessions, visit.time, statuses)
        if made.is_empty:
            detail = f"at {visit.time} there is no session of the student that this changes"
            raise Invalid(detail, [Violation("nothing_to_record", detail, "/time", {"time": visit.time})])
        absence_id, runs = await self._record(made, visit, status, of, caller)
        now = self._now()
        async with self._database.transaction() as connection:
            await claim_key(connection, keyed)
            # A merge or an erasure of the student locks their schools, too.
            await lock_school(connection, of.school_id)
            await school_of_student(connection, caller, visit.student_id, of.school_id)
            entry = await add_entry(
                connection,
                {
                    "school_id": of.school_id,
                    "student_id": visit.student_id,
                    "day": of.day,
                    "kind": visit.kind,
                    "time": visit.time,
                    "reason": visit.reason.strip(),
                    "status": status,
                    "absence_id": absence_id,
                    "runs": runs,
                    "entered_at": now,
                    "entered_by_role": caller.role.value,
                    "entered_by_user_id": caller.user_id,
                    "entered_by_key_id": caller.key_id,
                },
            )
            await store_result(connection, keyed, entry)
        return entry

    async def undo(self, entry_id: int, caller: Caller) -> DeskEntry:
        """Undoes an entry: sets its marks back, unless somebody has changed them since, and revokes its absence.

        To undo it again changes nothing.

        Raises:
            NotFound: there is no such entry, or the caller does not see it.
            BatchIsOpen: a register that it concerns is being saved.
        """
        entry = await self.find(entry_id, caller)
        if entry.undone_at is not None:
            return entry
        for run in entry.runs:
            await self._undo.undo(run.batch_id, caller, run_id=run.run_id)
        if entry.absence_id is not None:
            await self._absences.revoke(entry.absence_id, None, caller)
        now = self._now()
        async with self._database.transaction() as connection:
            await set_undone(connection, entry_id, now)
        return replace(entry, undone_at=now)

    async def find(self, entry_id: int, caller: Caller) -> DeskEntry:
        """An entry. Raises NotFound if there is none, or the caller does not see it."""
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        async with self._database.snapshot() as connection:
            entry = await find_entry(connection, caller, entry_id)
        if entry is None:
            raise NotFound(f"there is no entry {entry_id}", id=entry_id)
        return entry

    async def page(self, caller: Caller, filters: DeskFilters, page: PageRequest) -> Page[DeskEntry]:
        """A page of the entries, the newest first. Raises Invalid for a cursor of another query."""
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        query = ("desk", filters)
        before = begin_of(page, query, by_number)
        async with self._database.snapshot() as connection:
            rows = await list_entries(connection, caller, filters, before, page.limit + 1)
        return page_of(rows, page, query, lambda row: (row.id,))

    async def _student_day(
        self, connection: Connection, student_id: int, caller: Caller, school_id: int | None, day: date | None
    ) -> StudentDay:
        own_school = await school_of_student(connection, caller, student_id, school_id)
        now = LocalTime.at(await time_zone_of(connection, own_school), self._now())
        day = day or now.day
        return StudentDay(own_school, day, now, await sessions_of_student(connection, own_school, student_id, day))

    async def _record(
        self, made: DeskMarks, visit: DeskVisit, status: str, of: StudentDay, caller: Caller
    ) -> tuple[int | None, Sequence[DeskRun]]:
        """Writes the marks and the absence. Returns the id of the absence, and the runs."""
        submissions = await self._checked(
            [_submission(session, mark, visit.student_id, of.day) for session, mark in made.marks], caller
        )
        absence_id = None
        if made.absent_from:
            session_ids = tuple(each.session_id for each in made.absent_from)
            absence = Absence(of.day, of.day, status, session_ids, reason=visit.reason.strip())
            added = await self._absences.add([visit.student_id], absence, caller, school_id=of.school_id)
            absence_id = added.absences[0].id
        results = [await self._mark(each, caller) for each in submissions]
        # A mark that somebody else has made since the preview begins no run.
        return absence_id, [DeskRun(each.batch_id, each.run_id) for each in results if each.is_new_run and each.run_id]

    async def _checked(self, submissions: Sequence[Submission], caller: Caller) -> Sequence[Submission]:
        """The submissions, with a reason if the edit window of the day is over. Raises the error of the first one."""
        outcomes = await self._attendances.preview_batches(submissions, caller)
        if any(_needs_reason(each) for each in outcomes):
            submissions = [replace(each, reason=REASON) for each in submissions]
            outcomes = await self._attendances.preview_batches(submissions, caller)
        for outcome in outcomes:
            if isinstance(outcome, AdsumError):
                raise outcome
            if outcome.is_skipped:
                raise _busy(outcome)
        return submissions

    async def _mark(self, submission: Submission, caller: Caller) -> BatchResult:
        """Submits a mark. A run that has begun since the preview ends within moments."""
        result = await self._attendances.create_batch(submission, caller)
        for _ in range(ATTEMPTS):
            if not result.is_skipped:
                return result
            await asyncio.sleep(PAUSE_S)
            result = await self._attendances.create_batch(submission, caller)
        raise _busy(result)


def _needs_reason(outcome: BatchResult | AdsumError) -> bool:
    return isinstance(outcome, AdsumError) and any(each.code == "reason_missing" for each in outcome.violations)


def _busy(result: BatchResult) -> BatchIsOpen:
    return BatchIsOpen(f"batch {result.batch_id} is being processed: enter it again", batchId=result.batch_id)


def _wrong_day(of: StudentDay) -> list[Violation]:
    if of.day <= of.now.day:
        return []
    detail = f"{of.day} is in the future: at the school it is {of.now.day}"
    return [Violation("date_in_future", detail, "/date", {"today": of.now.day.isoformat()})]


def _submission(session: DeskSession, mark: Mark, student_id: int, day: date) -> Submission:
    marks = [StudentMark(student_id, mark)]
    return Submission(
        class_id=session.class_id,
        session_id=session.session_id,
        learning_date=day.isoformat(),
        selection=Selection(is_selected_all=False, marks=marks),
        on_existing=OnExisting.UPDATE,
    )
