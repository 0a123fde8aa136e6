"""The desk: late arrivals and early departures, applied to the registers that they concern."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from adsum.absences.rules import Absence, Author
from adsum.absences.service import AbsenceResult, Absences
from adsum.accounts.access import Caller, Permission, Role, require_permission
from adsum.attendance.statuses.repository import statuses_of_school
from adsum.batches.retry_cancel import BatchIsOpen
from adsum.batches.rules import OnExisting
from adsum.batches.service import AttendancesService
from adsum.batches.submission import BatchResult, Selection, StudentMark, Submission
from adsum.batches.undo import Undo
from adsum.platform.clock import Clock
from adsum.platform.database.answers import (
    AlreadyAnswered,
    AnswerKey,
    KeyedRequest,
    claim_key,
    require_unanswered,
    store_result,
)
from adsum.platform.database.contention import repeats_if_contended
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import AdsumError, Invalid, NotFound, refuse
from adsum.platform.paging import PageRequest, RowPage, begin_of, by_number, page_of
from adsum.registers.desk.repository import (
    add_entry,
    find_entry,
    find_same_entry,
    list_desk_entries,
    sessions_of_student,
    set_complete,
    set_undone,
)
from adsum.registers.desk.rules import (
    DeskEntry,
    DeskFilters,
    DeskMarks,
    DeskRun,
    DeskSession,
    NewEntry,
    default_status,
    field_of,
    marks_of,
    validate_entry,
    violation_of_nothing,
)
from adsum.registers.rules import LocalTime
from adsum.roster.service import school_of_student
from adsum.schools.locks import lock_school
from adsum.schools.repository import time_zone_of

ATTEMPTS = 30
PAUSE_S = 0.1
# In the history of records after the edit window. The reason of the entry stays with the office.
REASON = "entered at the desk"


@dataclass(frozen=True, slots=True)
class DeskDay:
    """The sessions of a student at a school on a day, by time. `now` is the school's present time."""

    school_id: int
    day: date
    now: LocalTime
    sessions: Sequence[DeskSession]


@dataclass(frozen=True, slots=True)
class CheckedEntry:
    """An entry that can be entered at a school on a day, with what it makes. `exists`: the same entry is stored."""

    new: NewEntry
    school_id: int
    day: date
    status: str
    made: DeskMarks
    exists: bool


@dataclass(frozen=True, slots=True)
class EntryResult:
    """An entry that was entered; `is_new` is false if it was complete before."""

    entry: DeskEntry
    is_new: bool


class DeskEntries:
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
    ) -> DeskDay:
        """The sessions of a student on a day, by default the school's today, at the home school by default.

        Raises:
            Invalid: there is no such student at a school that the caller sees.
        """
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        async with self._database.snapshot() as connection:
            return await self._student_day(connection, student_id, caller, school_id, day)

    async def enter(
        self,
        new: NewEntry,
        caller: Caller,
        keyed: KeyedRequest[EntryResult] | None = None,
        *,
        school_id: int | None = None,
        day: date | None = None,
    ) -> EntryResult:
        """Enters an arrival or a departure: marks of the sessions that it concerns, and of a departure a planned
        absence from the later ones.

        Each mark is a batch of one student, as a register makes it. All of them are checked, the entry is stored, and
        then they are submitted. If that is interrupted, the entry is incomplete: the same entry again, or `complete`,
        submits what is missing, and its undo undoes all of it. As long as an entry is not undone, the same entry again
        returns it.

        Raises:
            Invalid: with all violations; nothing was written.
            BatchIsOpen: a register that it concerns is being saved; nothing was written, or the entry is incomplete.
            Unavailable: not known to be entered; the same entry again is safe.
        """
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        checked = await self._check(new, caller, keyed, school_id, day)
        if not checked.exists:
            checked = replace(checked, made=await self._preview(checked, caller))
        entry = await self._find_or_add(checked, caller, keyed)
        if entry.is_complete:
            return EntryResult(entry, is_new=False)
        return EntryResult(await self._complete(entry, caller, keyed), is_new=True)

    async def complete(self, entry_id: int, caller: Caller) -> DeskEntry:
        """Submits what is missing of an entry that was interrupted. A complete or undone entry stays as it is.

        Raises:
            NotFound: there is no such entry, or the caller does not see it.
            Invalid: a part of it can no longer be recorded. `undo` undoes the rest.
            BatchIsOpen: a register that it concerns is being saved.
        """
        entry = await self.find(entry_id, caller)
        return entry if entry.is_complete or entry.undone_at is not None else await self._complete(entry, caller)

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
        if not entry.is_complete:
            # A run that is not known yet, or begins meanwhile, would stay.
            entry = await self._complete(entry, caller, skips_refused=True)
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

    async def page(self, caller: Caller, filters: DeskFilters, page: PageRequest) -> RowPage[DeskEntry]:
        """A page of the entries, the newest first. Raises Invalid for a cursor of another query."""
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        query = ("desk", filters)
        before = begin_of(page, query, by_number)
        async with self._database.snapshot() as connection:
            rows = await list_desk_entries(connection, caller, filters, before, page.limit + 1)
        return page_of(rows, page, query, lambda row: (row.id,))

    async def _student_day(
        self, connection: Connection, student_id: int, caller: Caller, school_id: int | None, day: date | None
    ) -> DeskDay:
        own_school = await school_of_student(connection, caller, student_id, school_id)
        now = LocalTime.at(await time_zone_of(connection, own_school), self._now())
        day = day or now.day
        return DeskDay(own_school, day, now, await sessions_of_student(connection, own_school, student_id, day))

    async def _check(
        self,
        new: NewEntry,
        caller: Caller,
        keyed: KeyedRequest[EntryResult] | None,
        school_id: int | None,
        day: date | None,
    ) -> CheckedEntry:
        async with self._database.snapshot() as connection:
            await require_unanswered(connection, keyed)
            of = await self._student_day(connection, new.student_id, caller, school_id, day)
            statuses = await statuses_of_school(connection, of.school_id)
            status = new.status or default_status(new.kind, statuses)
            refuse(list(validate_entry(new, status, statuses, of.day, of.now)))
            same = await find_same_entry(connection, of.school_id, of.day, new, status)
        made = marks_of(new, of.sessions, status, statuses)
        if same is None and made.concern_nothing:
            violation = violation_of_nothing(new, of.sessions)
            raise Invalid(violation.detail, [violation])
        return CheckedEntry(new, of.school_id, of.day, status, made, exists=same is not None)

    async def _preview(self, checked: CheckedEntry, caller: Caller) -> DeskMarks:
        """The marks, with a reason if the edit window is over. Raises the error of the first that would be refused."""
        made, student_id, day = checked.made, checked.new.student_id, checked.day
        outcomes = await self._attendances.preview_batches(_submissions(made, student_id, day), caller)
        if any(_needs_reason(each) for each in outcomes):
            made = replace(made, reason=REASON)
            outcomes = await self._attendances.preview_batches(_submissions(made, student_id, day), caller)
        for outcome in outcomes:
            if isinstance(outcome, AdsumError):
                raise _of_entry(outcome)
            if outcome.is_skipped:
                raise _busy(outcome)
        return made

    @repeats_if_contended
    async def _find_or_add(
        self, checked: CheckedEntry, caller: Caller, keyed: KeyedRequest[EntryResult] | None
    ) -> DeskEntry:
        """The same entry, or the new one, whose marks are pending."""
        new, school_id, day, status = checked.new, checked.school_id, checked.day, checked.status
        async with self._database.transaction() as connection:
            await claim_key(connection, keyed)
            # Two requests at once would not find each other's entry. A merge or an erasure of the student locks their
            # schools, too.
            await lock_school(connection, school_id)
            await school_of_student(connection, caller, new.student_id, school_id)
            entry = await find_same_entry(connection, school_id, day, new, status)
            if entry is None:
                author = Author(caller, self._now())
                entry = await add_entry(connection, school_id, day, new, status, checked.made, author)
            if entry.is_complete:
                await store_result(connection, keyed, EntryResult(entry, is_new=False))
        return entry

    async def _complete(
        self,
        entry: DeskEntry,
        caller: Caller,
        keyed: KeyedRequest[EntryResult] | None = None,
        *,
        skips_refused: bool = False,
    ) -> DeskEntry:
        """Submits the pending marks and the absence as the author of the entry, and stores what they have become.

        The idempotency keys are those of the entry: what was submitted before keeps its run and its absence.
        `skips_refused`: leaves out what can no longer be recorded instead of raising its error.
        """
        assert entry.pending is not None, "it is incomplete"
        refused = (Invalid, NotFound) if skips_refused else ()
        author = _author_of(entry, caller)
        runs: list[DeskRun] = []
        absence_id: int | None = None
        try:
            for submission in _submissions(entry.pending, entry.student_id, entry.day):
                with suppress(*refused):
                    result = await self._mark(entry, submission, author)
                    # A mark that somebody else has made since the check begins no run.
                    if result.is_new_run and result.run_id is not None:
                        runs.append(DeskRun(result.batch_id, result.run_id))
            if entry.pending.absent_from:
                with suppress(*refused):
                    absence_id = await self._add_absence(entry, entry.pending.absent_from, author)
        except AdsumError as error:
            raise _of_entry(error) from None
        completed = replace(entry, absence_id=absence_id, runs=runs, pending=None)
        await self._store_complete(completed, keyed)
        return completed

    async def _mark(self, entry: DeskEntry, submission: Submission, author: Caller) -> BatchResult:
        """Submits a mark. A run that has begun since the check ends within moments."""
        number = waited = 0
        while True:
            # The answer that another run is open is stored under a key, too.
            key = f"desk-{entry.id}-{entry.student_id}-{submission.session_id}-{number}"
            result = await self._attendances.create_batch(replace(submission, idempotency_key=key), author)
            if not result.is_skipped:
                return result
            number += 1
            if not result.is_repeated:
                waited += 1
                if waited == ATTEMPTS:
                    raise _busy(result)
                await asyncio.sleep(PAUSE_S)

    async def _add_absence(self, entry: DeskEntry, session_ids: Sequence[int], author: Caller) -> int | None:
        """The id of the planned absence that the entry adds; None: it was planned before, and stays after an undo."""
        absence = Absence(entry.day, entry.day, entry.status, tuple(session_ids), reason=entry.reason)
        key = AnswerKey(author.actor, f"desk-{entry.id}-{entry.student_id}-absence")
        keyed = KeyedRequest(key, "", self._now(), _added_absence)
        try:
            added = await self._absences.add([entry.student_id], absence, author, keyed, school_id=entry.school_id)
        except AlreadyAnswered as repeated:
            return repeated.answer["absenceId"]
        return _added_absence(added)["absenceId"]

    @repeats_if_contended
    async def _store_complete(self, entry: DeskEntry, keyed: KeyedRequest[EntryResult] | None) -> None:
        async with self._database.transaction() as connection:
            await set_complete(connection, entry.id, entry.absence_id, entry.runs)
            await store_result(connection, keyed, EntryResult(entry, is_new=True))


def _author_of(entry: DeskEntry, caller: Caller) -> Caller:
    """The author of an entry, with the permissions of the caller who completes it."""
    ids = {"user_id": entry.entered_by_user_id, "key_id": entry.entered_by_key_id}
    return replace(caller, role=Role(entry.entered_by_role), **ids)


def _added_absence(result: AbsenceResult) -> dict[str, Any]:
    return {"absenceId": result.absences[0].id if result.is_new else None}


def _of_entry(error: AdsumError) -> AdsumError:
    """The error of a batch or an absence, with the fields of the entry."""
    violations = [replace(each, pointer=field_of(each.pointer)) for each in error.violations]
    return type(error)(error.detail, violations, **error.params) if violations else error


def _needs_reason(outcome: BatchResult | AdsumError) -> bool:
    return isinstance(outcome, AdsumError) and any(each.code == "reason_missing" for each in outcome.violations)


def _busy(result: BatchResult) -> BatchIsOpen:
    return BatchIsOpen(f"batch {result.batch_id} is being processed: enter it again", batchId=result.batch_id)


def _submissions(made: DeskMarks, student_id: int, day: date) -> list[Submission]:
    return [
        Submission(
            class_id=each.class_id,
            session_id=each.session_id,
            learning_date=day.isoformat(),
            selection=Selection(is_selected_all=False, marks=[StudentMark(student_id, each.mark)]),
            on_existing=OnExisting.UPDATE,
            reason=made.reason,
        )
        for each in made.marks
    ]
