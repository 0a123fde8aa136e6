"""The desk: late arrivals and early departures, applied to the registers that they concern."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date

from adsum.absences.rules import Author
from adsum.absences.service import Absences
from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.named_schools import require_named_school
from adsum.attendance.statuses.repository import statuses_of_school
from adsum.attendance.statuses.rules import SchoolStatuses
from adsum.batches.retry_cancel import BatchIsOpen
from adsum.batches.service import AttendancesService
from adsum.batches.submission import BatchResult
from adsum.batches.undo import Undo
from adsum.platform.clock import Clock
from adsum.platform.database.answers import (
    KeyedRequest,
    claim_key,
    require_unanswered,
    store_result,
)
from adsum.platform.database.contention import repeats_if_contended
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import AdsumError, Invalid, NotFound, refuse
from adsum.platform.ids import Batch
from adsum.platform.paging import PageRequest, RowPage, begin_of, by_number, page_of
from adsum.registers.desk.completion import Completion, EntryResult, busy, of_entry, submissions
from adsum.registers.desk.places import tells_place
from adsum.registers.desk.repository import (
    add_entry,
    begin_undo,
    end_undo,
    find_entry,
    find_open_batch,
    find_same_entry,
    is_absence_of_entry,
    list_desk_entries,
    newest_entry,
    sessions_of_student,
    undone_run_ids,
)
from adsum.registers.desk.returns import Returns
from adsum.registers.desk.rules import (
    DeskEntry,
    DeskFilters,
    DeskMarks,
    DeskSession,
    NewEntry,
    awaited_session,
    default_status,
    marks_of,
    validate_entry,
    violation_of_nothing,
)
from adsum.registers.on_site.repository import is_listed_on_site
from adsum.registers.rules import DeskKind, LocalTime
from adsum.roster.service import school_of_student
from adsum.schools.locks import lock_school
from adsum.schools.repository import time_zone_of

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
    """An entry that can be entered at a school on a day, with its marks. `exists`: the same entry is stored."""

    new: NewEntry
    school_id: int
    day: date
    missed_status: str
    marks: DeskMarks
    exists: bool


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
        self._completion = Completion(database, attendances, absences, now)
        self._returns = Returns(database, absences)
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
        absence from the later ones. One that changes no session, such as a departure after the last one, is entered if
        it tells where the student is.

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
            checked = replace(checked, marks=await self._preview(checked, caller))
        entry = await self._find_or_add(checked, caller, keyed)
        if entry.is_complete:
            return EntryResult(entry, is_new=False)
        return EntryResult(await self._completion.complete(entry, caller, keyed), is_new=True)

    async def complete(self, entry_id: int, caller: Caller) -> DeskEntry:
        """Submits what is missing of an entry that was interrupted. A complete or undone entry stays as it is.

        Raises:
            NotFound: there is no such entry, or the caller does not see it.
            Invalid: a part of it can no longer be recorded. `undo` undoes the rest.
            BatchIsOpen: a register that it concerns is being saved.
        """
        entry = await self.find(entry_id, caller)
        return (
            entry
            if entry.is_complete or entry.undone_at is not None
            else await self._completion.complete(entry, caller)
        )

    async def undo(self, entry_id: int, caller: Caller) -> DeskEntry:
        """Undoes an entry: sets its marks back, unless somebody has changed them since, and revokes its absence, unless
        another entry shares it.

        A mark that a newer entry has changed stays until that one is undone, too: in any order, also at once, the undos
        end at the mark before both. The same undo again completes one that was interrupted, and else changes nothing.

        Raises:
            NotFound: there is no such entry, or the caller does not see it.
            BatchIsOpen: a register that it concerns is being saved.
        """
        entry = await self.find(entry_id, caller)
        if entry.undone_at is not None and entry.is_complete:
            return entry
        if entry.undone_at is None and not entry.is_complete:
            # A run that is not known yet, or begins meanwhile, would stay.
            await self._completion.complete(entry, caller, skips_refused=True)
        entry = await self._begin_undo(entry, caller)
        await self._set_back(entry, caller)
        async with self._database.transaction() as connection:
            await end_undo(connection, entry_id)
        return replace(entry, pending=None)

    @repeats_if_contended
    async def _begin_undo(self, entry: DeskEntry, caller: Caller) -> DeskEntry:
        """Marks an entry as undone, so that of several undos at once the last one knows of all of them. Returns it as
        it is stored: the undo of an arrival may have given a departure a new absence.
        """
        async with self._database.transaction() as connection:
            await lock_school(connection, entry.school_id)
            stored = await find_entry(connection, caller, entry.id)
            if stored is None:
                raise _unknown(entry.id)
            if stored.undone_at is not None:
                return stored
            batch_id = await find_open_batch(connection, stored)
            if batch_id is not None:
                raise BatchIsOpen(f"batch {batch_id} is being processed: undo it again", batchId=batch_id)
            now = self._now()
            await begin_undo(connection, entry.id, now)
        return replace(stored, undone_at=now)

    async def _set_back(self, entry: DeskEntry, caller: Caller) -> None:
        """Sets back what an undone entry has made. May be repeated."""
        async with self._database.snapshot() as connection:
            undone = await undone_run_ids(connection, entry)
            absence_id = entry.absence_id
            if absence_id is not None and await is_absence_of_entry(connection, absence_id, besides=entry.id):
                absence_id = None
        for run in entry.runs:
            await self._undo.undo(run.batch_id, caller, run_id=run.run_id, undone_run_ids=undone)
        if absence_id is not None:
            with suppress(NotFound):  # retention has deleted it
                await self._absences.revoke(absence_id, None, caller)
        if entry.kind is DeskKind.ARRIVAL:
            await self._returns.restore_absences(entry, caller)

    async def find(self, entry_id: int, caller: Caller) -> DeskEntry:
        """An entry. Raises NotFound if there is none, or the caller does not see it."""
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        async with self._database.snapshot() as connection:
            entry = await find_entry(connection, caller, entry_id)
        if entry is None:
            raise _unknown(entry_id)
        return entry

    async def page(self, caller: Caller, filters: DeskFilters, page: PageRequest) -> RowPage[DeskEntry]:
        """A page of the entries, the newest first.

        Raises:
            NotFound: the caller does not see the school of the filter.
            Invalid: a cursor of another query.
        """
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        query = ("desk", filters)
        before = begin_of(page, query, by_number)
        async with self._database.snapshot() as connection:
            await require_named_school(connection, caller, filters.school_id)
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
            missed = default_status(new.kind, statuses) if new.missed_status is None else new.missed_status
            refuse(list(validate_entry(new, missed, statuses, of.day, of.now)))
            same = await find_same_entry(connection, of.school_id, of.day, new, missed)
            awaited = awaited_session(new, of.sessions)
            if same is None and awaited is not None:
                raise busy(Batch(awaited.class_id, awaited.session_id, of.day).id)
            marks = marks_of(new, of.sessions, missed, statuses)
            if same is None and marks.change_nothing:
                await _require_news(connection, new, caller, of, statuses, marks)
        return CheckedEntry(new, of.school_id, of.day, missed, marks, exists=same is not None)

    async def _preview(self, checked: CheckedEntry, caller: Caller) -> DeskMarks:
        """The marks, with a reason if the edit window is over. Raises the error of the first that would be refused."""
        marks, student_id, day = checked.marks, checked.new.student_id, checked.day
        outcomes = await self._attendances.preview_batches(submissions(marks, student_id, day), caller)
        if any(_needs_reason(each) for each in outcomes):
            marks = replace(marks, reason=REASON)
            outcomes = await self._attendances.preview_batches(submissions(marks, student_id, day), caller)
        for outcome in outcomes:
            if isinstance(outcome, AdsumError):
                raise of_entry(outcome)
            if outcome.is_skipped:
                raise busy(outcome.batch_id)
        return marks

    @repeats_if_contended
    async def _find_or_add(
        self, checked: CheckedEntry, caller: Caller, keyed: KeyedRequest[EntryResult] | None
    ) -> DeskEntry:
        """The same entry, or the new one, whose marks are pending."""
        new, school_id, day, missed = checked.new, checked.school_id, checked.day, checked.missed_status
        async with self._database.transaction() as connection:
            await claim_key(connection, keyed)
            # Two requests at once would not find each other's entry. A merge or an erasure of the student locks their
            # schools, too.
            await lock_school(connection, school_id)
            await school_of_student(connection, caller, new.student_id, school_id)
            entry = await find_same_entry(connection, school_id, day, new, missed)
            if entry is None:
                author = Author(caller, self._now())
                entry = await add_entry(connection, school_id, day, new, missed, checked.marks, author)
            if entry.is_complete:
                await store_result(connection, keyed, EntryResult(entry, is_new=False))
        return entry


async def _require_news(
    connection: Connection, new: NewEntry, caller: Caller, of: DeskDay, statuses: SchoolStatuses, marks: DeskMarks
) -> None:
    """Raises Invalid if an entry that changes no session says nothing new: neither where the student is, nor, if the
    sessions have its marks, that it was made at the desk.
    """
    newest = await newest_entry(connection, of.school_id, new.student_id, of.day, new.time)
    if marks.are_recorded:
        is_news = newest is None or (newest.kind, newest.time) != (new.kind, new.time)
    else:
        at = LocalTime(of.day, new.time)
        on_site = await is_listed_on_site(connection, caller, of.school_id, new.student_id, at, statuses)
        is_news = tells_place(new, of.sessions, newest, is_on_site=on_site)
    if not is_news:
        violation = violation_of_nothing(new, of.sessions)
        raise Invalid(violation.detail, [violation])


def _unknown(entry_id: int) -> NotFound:
    return NotFound(f"there is no entry {entry_id}", id=entry_id)


def _needs_reason(outcome: BatchResult | AdsumError) -> bool:
    return isinstance(outcome, AdsumError) and any(each.code == "reason_missing" for each in outcome.violations)
