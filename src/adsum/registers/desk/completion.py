"""Makes the marks and the planned absence of an entry that is stored as pending."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from adsum.absences.rules import Absence
from adsum.absences.service import AbsenceResult, Absences
from adsum.accounts.access import Caller, Role
from adsum.attendance.statuses.repository import statuses_of_school
from adsum.batches.retry_cancel import BatchIsOpen
from adsum.batches.rules import OnExisting
from adsum.batches.service import AttendancesService
from adsum.batches.submission import BatchResult, Selection, StudentMark, Submission
from adsum.platform.clock import Clock
from adsum.platform.database.answers import AlreadyAnswered, AnswerKey, KeyedRequest, store_result
from adsum.platform.database.contention import repeats_if_contended
from adsum.platform.database.engine import Database
from adsum.platform.errors import AdsumError, Invalid, NotFound
from adsum.registers.desk.repository import is_absence_of_entry, sessions_of_student, set_complete, set_pending
from adsum.registers.desk.returns import Returns
from adsum.registers.desk.rules import DeskEntry, DeskMarks, DeskRun, field_of, marks_of_departure
from adsum.registers.rules import DeskKind

ATTEMPTS = 30
PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class EntryResult:
    """An entry that was entered; `is_new` is false if it was complete before."""

    entry: DeskEntry
    is_new: bool


class Completion:
    """Completes pending entries. `now` is the clock."""

    def __init__(self, database: Database, attendances: AttendancesService, absences: Absences, now: Clock) -> None:
        self._database = database
        self._attendances = attendances
        self._absences = absences
        self._returns = Returns(database, absences)
        self._now = now

    async def complete(
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
        absence_id: int | None = None
        try:
            runs = await self._submit(entry, entry.pending, author, refused)
            if entry.pending.absent_from:
                with suppress(*refused):
                    absence_id = await self._add_absence(entry, entry.pending.absent_from, author)
                runs += await self._submit(entry, await self._overtaken(entry, entry.pending), author, refused)
            if entry.kind is DeskKind.ARRIVAL:
                with suppress(*refused):
                    await self._returns.end_absences(entry, author)
        except AdsumError as error:
            raise of_entry(error) from None
        completed = replace(entry, absence_id=absence_id, runs=runs, pending=None)
        await self._store_complete(completed, keyed)
        return completed

    async def _submit(
        self, entry: DeskEntry, made: DeskMarks, author: Caller, refused: tuple[type[AdsumError], ...]
    ) -> list[DeskRun]:
        """Submits marks, and returns their runs. Leaves out those whose error is one of `refused`."""
        runs: list[DeskRun] = []
        for submission in submissions(made, entry.student_id, entry.day):
            with suppress(*refused):
                result = await self._mark(entry, submission, author)
                # A mark that somebody else has made since the check begins no run.
                if result.is_new_run and result.run_id is not None:
                    runs.append(DeskRun(result.batch_id, result.run_id))
        return runs

    async def _overtaken(self, entry: DeskEntry, pending: DeskMarks) -> DeskMarks:
        """The marks of later sessions that the office has set since the check, which the absence does not change.

        They are stored as pending, so that an entry that is interrupted keeps them.
        """
        # Of one moment: a run that ends meanwhile would be seen neither as open nor by its records.
        async with self._database.snapshot() as connection:
            sessions = await sessions_of_student(connection, entry.school_id, entry.student_id, entry.day)
            statuses = await statuses_of_school(connection, entry.school_id)
        made = marks_of_departure(sessions, entry.time, entry.missed_status, statuses)
        unmarked = set(pending.absent_from) - {each.session_id for each in pending.marks}
        overtaken = [each for each in made.marks if each.session_id in unmarked]
        if overtaken:
            async with self._database.transaction() as connection:
                await set_pending(connection, entry.id, replace(pending, marks=[*pending.marks, *overtaken]))
        return DeskMarks(overtaken, reason=pending.reason)

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
                    raise busy(result.batch_id)
                await asyncio.sleep(PAUSE_S)

    async def _add_absence(self, entry: DeskEntry, session_ids: Sequence[int], author: Caller) -> int | None:
        """The id of the planned absence that the entry adds, or shares with another entry.

        None: it was planned before, and stays after an undo.
        """
        absence = Absence(entry.day, entry.day, entry.missed_status, tuple(session_ids), reason=entry.reason)
        key = AnswerKey(author.actor, f"desk-{entry.id}-{entry.student_id}-absence")
        keyed = KeyedRequest(key, "", self._now(), _added_absence)
        try:
            added = await self._absences.add([entry.student_id], absence, author, keyed, school_id=entry.school_id)
            absence_id, is_new = added.absences[0].id, added.is_new
        except AlreadyAnswered as repeated:
            # A release before 0071 stores null for an absence that was planned before.
            absence_id, is_new = repeated.answer["absenceId"], repeated.answer.get("isNew", True)
        if is_new:
            return absence_id
        async with self._database.snapshot() as connection:
            return absence_id if await is_absence_of_entry(connection, absence_id) else None

    @repeats_if_contended
    async def _store_complete(self, entry: DeskEntry, keyed: KeyedRequest[EntryResult] | None) -> None:
        async with self._database.transaction() as connection:
            await set_complete(connection, entry.id, entry.absence_id, entry.runs, self._now())
            await store_result(connection, keyed, EntryResult(entry, is_new=True))


def _author_of(entry: DeskEntry, caller: Caller) -> Caller:
    """The author of an entry, with the permissions of the caller who completes it."""
    ids = {"user_id": entry.entered_by_user_id, "key_id": entry.entered_by_key_id}
    return replace(caller, role=Role(entry.entered_by_role), **ids)


def _added_absence(result: AbsenceResult) -> dict[str, Any]:
    return {"absenceId": result.absences[0].id, "isNew": result.is_new}


def of_entry(error: AdsumError) -> AdsumError:
    """The error of a batch or an absence, with the fields of the entry."""
    violations = [replace(each, pointer=field_of(each.pointer)) for each in error.violations]
    return type(error)(error.detail, violations, **error.params) if violations else error


def busy(batch_id: str) -> BatchIsOpen:
    """The error of an entry that concerns a register that is being saved."""
    return BatchIsOpen(f"batch {batch_id} is being processed: enter it again", batchId=batch_id)


def submissions(made: DeskMarks, student_id: int, day: date) -> list[Submission]:
    """A batch of one student for each mark."""
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
