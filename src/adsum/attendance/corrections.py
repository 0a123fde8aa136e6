"""Corrections of single records, with optimistic locking by version, and the history of a record."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.attendance.correction_rules import Correction, Keep, change_of, validate_correction
from adsum.attendance.disputed_marks.repository import add_disputed_marks, find_dispute_of_record, resolve_dispute
from adsum.attendance.repository import apply_changes, describe, find_record, list_changes
from adsum.attendance.rules import DisputedMark, Mark, Record, RecordChange, VisibleRecord
from adsum.attendance.statuses.repository import statuses_of_school
from adsum.attendance.statuses.rules import PRESENT
from adsum.platform.clock import Clock
from adsum.platform.database.contention import repeats_if_contended
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import Forbidden, NotFound, StaleVersion, Violation, refuse
from adsum.platform.paging import PageRequest, RowPage, begin_of, by_number, page_of
from adsum.roster.timetable.repository import times_of
from adsum.schools.calendar.rules import end_on
from adsum.schools.repository import edit_window_of

# A conflict lists at most so many changes, the newest first.
MAX_LISTED_CHANGES = 20


class RecordChanged(StaleVersion):
    """The record has been changed since the caller read it. `changes` are the changes since."""

    def __init__(self, record: Record, changes: Sequence[RecordChange]) -> None:
        super().__init__(f"attendance {record.id} was changed meanwhile: its version is {record.version} now")
        self.record = record
        self.changes = changes


class Corrections:
    """Reads, corrects and clears single records."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def record(self, record_id: int, caller: Caller) -> VisibleRecord:
        """One record, with the open dispute about it.

        Raises:
            Forbidden: without `attendance:read`.
            NotFound: there is no such record, or the caller may not see it.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        async with self._database.snapshot() as connection:
            return await _visible_record(connection, await _find(connection, record_id, caller), caller)

    async def history(self, record_id: int, caller: Caller, page: PageRequest) -> RowPage[RecordChange]:
        """The versions of a record, the newest first, down to the mark with which it begins.

        Raises:
            Forbidden: without `attendance:read`.
            NotFound: there is no such record, or the caller may not see it.
            Invalid: the cursor of another record.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        before = begin_of(page, record_id, by_number)
        async with self._database.snapshot() as connection:
            await _find(connection, record_id, caller)
            changes = await list_changes(connection, record_id, before, page.limit + 1)
        visible = [change.visible_to(caller) for change in changes]
        return page_of(visible, page, record_id, lambda change: (change.version,))

    @repeats_if_contended
    async def correct(
        self, record_id: int, versions: Collection[int] | None, correction: Correction, caller: Caller
    ) -> VisibleRecord:
        """Changes a record, if its version is one of `versions`, or any version if that is None.

        A correction that changes nothing writes nothing. A correction that is sent twice returns the same result twice.
        A teacher's correction of the office's mark becomes a disputed mark beside it.

        Returns:
            The record after the correction.

        Raises:
            Forbidden: without `attendance:create`; or without `attendance:overrule`, if the correction changes the
                office's note or clears the office's mark.
            NotFound: there is no such record, or the caller may not see it.
            RecordChanged: the record has another version.
            Invalid: with all violations.
        """
        require_permission(caller, Permission.ATTENDANCE_CREATE)
        async with self._database.transaction() as connection:
            record = await _find(connection, record_id, caller, lock=True)
            if versions is not None and record.version not in versions:
                newest = await list_changes(connection, record_id, None, MAX_LISTED_CHANGES)
                unseen = [change for change in newest if change.version > max(versions, default=0)]
                if _is_repeated(record, correction, unseen, caller):
                    return await _visible_record(connection, record, caller)
                raise RecordChanged(record.visible_to(caller), [change.visible_to(caller) for change in unseen])
            _require_right_to_correct(record, correction, caller)
            await self._validate(connection, record, correction, caller)
            await self._correct(connection, record, correction, caller)
            return await _visible_record(connection, await _find(connection, record_id, caller), caller)

    async def _validate(self, connection: Connection, record: Record, correction: Correction, caller: Caller) -> None:
        window = await edit_window_of(connection, record.school_id, self._now())
        statuses = await statuses_of_school(connection, record.school_id)
        ends = end_on(record.learning_date, await times_of(connection, record.session_id))
        refuse(
            [
                *validate_correction(correction, record.mark, statuses, ends),
                *window.violations(record.learning_date, correction.reason, overrules=caller.overrules, pointer="/id"),
            ]
        )

    async def _correct(self, connection: Connection, record: Record, correction: Correction, caller: Caller) -> None:
        change = change_of(record, correction, caller, self._now())
        if caller.overrules:
            # Any correction by the office settles the dispute, also one that keeps the mark.
            await resolve_dispute(connection, record.id, change.changed_at)
        if not change.changes_anything:
            return
        if record.is_offices and not caller.overrules:
            mark = Mark(change.new_status or PRESENT, change.new_note)
            disputed = DisputedMark(record.school_id, record.batch, record.student_id, mark, caller, change.changed_at)
            await add_disputed_marks(connection, [disputed])
        else:
            await apply_changes(connection, {record.id: change})


def _require_right_to_correct(record: Record, correction: Correction, caller: Caller) -> None:
    if caller.overrules:
        return
    if correction.office_note is not Keep.AS_IS:
        detail = "only the office may write the office's note"
        raise Forbidden(detail, [Violation("office_note_not_allowed", detail, "/officeNote")])
    if record.is_offices and correction.status is None:
        detail = "the office has set this mark: only the office may clear it"
        raise Forbidden(detail, [Violation("set_by_office", detail)])


async def _find(connection: Connection, record_id: int, caller: Caller, *, lock: bool = False) -> Record:
    record = await find_record(connection, caller, record_id, lock=lock)
    if record is None:
        raise NotFound(f"there is no attendance {record_id}", id=record_id)
    return record


async def _visible_record(connection: Connection, record: Record, caller: Caller) -> VisibleRecord:
    (described,) = await describe(connection, [record.visible_to(caller)], caller)
    return VisibleRecord(described, await find_dispute_of_record(connection, caller, record.id))


def _is_repeated(record: Record, correction: Correction, unseen: Sequence[RecordChange], caller: Caller) -> bool:
    """Whether the only unseen change is this correction: the caller sent it before and did not receive the reply."""
    if len(unseen) != 1:
        return False
    (change,) = unseen
    is_own = (change.user_id, change.key_id, change.changed_role) == (caller.user_id, caller.key_id, caller.role.value)
    corrected = correction.applied_to(record.mark)
    is_same = replace(corrected, version=record.version, is_offices=record.is_offices) == record.mark
    return is_own and is_same and correction.reason == change.reason and change.run_id is None
