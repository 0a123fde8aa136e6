"""Applies planned absences to existing records, and restores the previous marks of records to which none applies now.

A record to which an absence no longer applies gets the mark of another one that does, of several the one that was
entered last. Its previous mark stays the one before both. An absence does not change a mark that the office or another
absence has set. Marks of open runs are corrected after the run has ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adsum.absences.repository.planned import (
    absences_during,
    find_absence,
    find_due_absences,
    list_versions,
    remove_due_absences,
)
from adsum.absences.repository.records import lock_records_of_absence, lock_records_of_students, previous_marks
from adsum.absences.rules import Author, PlannedAbsence, absences_of_session
from adsum.accounts.access import Caller, Role, system_caller
from adsum.attendance.repository import apply_changes
from adsum.attendance.rules import Record, RecordChange, RecordedMark
from adsum.platform.clock import Clock
from adsum.platform.database.engine import Connection, Database
from adsum.roster.timetable.repository import times_of_sessions
from adsum.schools.calendar.rules import SessionTime

# Due absences that one transaction applies.
DUE_AT_ONCE = 200

Times = Mapping[int, Sequence[SessionTime]]
"""All times that sessions have had, by session."""


class DueAbsences:
    """Applies the absences that wait for open runs."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def apply(self) -> int:
        """Applies the due absences whose runs have ended, and returns the number of changed records.

        If there are none, this is one cheap query.
        """
        async with self._database.snapshot() as connection:
            if not await find_due_absences(connection, 1):
                return 0
        async with self._database.transaction() as connection:
            due = await find_due_absences(connection, DUE_AT_ONCE)
            changed = 0
            for absence_id in sorted({absence_id for _, absence_id in due}):
                planned = await find_absence(connection, system_caller(), absence_id, lock=True)
                assert planned is not None, "due_absences references it"
                (newest,) = await list_versions(connection, absence_id, None, 1)
                caller = Caller(Role(newest.changed_role), frozenset(), newest.user_id, newest.key_id)
                changed += await apply_absences(connection, [planned], Author(caller, self._now()))
            await remove_due_absences(connection, due)
        return changed


async def apply_absences(connection: Connection, planned: Sequence[PlannedAbsence], author: Author) -> int:
    """Changes the records that differ from these absences, and returns the number of changed records.

    Args:
        connection: of a transaction that has locked the absences.
        planned: one absence a student, all of one school.
        author: for the history of the records.
    """
    by_student = {each.student_id: each for each in planned}
    first_day = min(each.absence.first_day for each in planned)
    last_day = max(each.absence.last_day for each in planned)
    records = await lock_records_of_students(connection, planned[0].school_id, by_student, first_day, last_day)
    for each in planned:
        if each.version > 1:
            records += await lock_records_of_absence(connection, each.id, each.student_id)
    times = await times_of_sessions(connection, {record.session_id for record in records})
    outdated = {
        record.id: record for record in records if not _is_up_to_date(record, by_student[record.student_id], times)
    }
    previous = await previous_marks(connection, outdated)
    changes = {
        record.id: _change(record, by_student[record.student_id], previous.get(record.id), times, author)
        for record in outdated.values()
    }
    await apply_changes(connection, changes)
    released = [each for each in outdated.values() if changes[each.id].absence_id is None]
    await _apply_others(connection, released, changes, times, author)
    return len(changes)


async def _apply_others(
    connection: Connection,
    released: Sequence[Record],
    restored: Mapping[int, RecordChange],
    times: Times,
    author: Author,
) -> None:
    """Changes records to which an absence no longer applies to another one that does, from their restored marks."""
    if not released:
        return
    student_ids, days = {each.student_id for each in released}, {each.learning_date for each in released}
    others = await absences_during(connection, released[0].school_id, student_ids, min(days), max(days))
    changes: dict[int, RecordChange] = {}
    for record in released:
        of_session = times.get(record.session_id, ())
        applying = absences_of_session(others, record.session_id, record.learning_date, of_session)
        other, back = applying.get(record.student_id), restored[record.id]
        if other is not None and other.absence.status != back.new_status:
            new = RecordedMark(other.absence.status, back.new_note)
            old = RecordedMark(back.new_status, back.new_note, back.version, back.new_arrived_at, back.new_left_at)
            changes[record.id] = _record_change(old, new, other.id, author)
    await apply_changes(connection, changes)


def _applies(planned: PlannedAbsence, record: Record, times: Times) -> bool:
    times_of_session = times.get(record.session_id, ())
    return planned.revoked_at is None and planned.absence.applies_to(
        record.session_id, record.learning_date, times_of_session
    )


def _is_up_to_date(record: Record, planned: PlannedAbsence, times: Times) -> bool:
    applies = _applies(planned, record, times)
    if record.absence_id == planned.id:
        return applies and record.status == planned.absence.status
    # An absence changes neither the office's marks, including those of other absences, nor cleared marks.
    is_changeable = not record.is_offices and record.status is not None
    return not (is_changeable and applies and record.status != planned.absence.status)


def _change(
    record: Record, planned: PlannedAbsence, previous: RecordedMark | None, times: Times, author: Author
) -> RecordChange:
    """To the absence's status if the absence applies, else back to the mark before it.

    A record that began with the absence has no mark before it, and is cleared.
    """
    applies = _applies(planned, record, times)
    new = RecordedMark(planned.absence.status, record.note) if applies else previous or RecordedMark(None)
    return _record_change(record.mark, new, planned.id if applies else None, author)


def _record_change(old: RecordedMark, new: RecordedMark, absence_id: int | None, author: Author) -> RecordChange:
    return RecordChange(
        version=old.version + 1,
        old_status=old.status,
        old_note=old.note,
        new_status=new.status,
        new_note=new.note,
        changed_at=author.at,
        changed_role=author.caller.role.value,
        user_id=author.caller.user_id,
        key_id=author.caller.key_id,
        reason=None,
        run_id=None,
        old_arrived_at=old.arrived_at,
        old_left_at=old.left_at,
        new_arrived_at=new.arrived_at,
        new_left_at=new.left_at,
        absence_id=absence_id,
    )
