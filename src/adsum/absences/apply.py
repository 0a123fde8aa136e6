"""What an absence makes of records that are there: it corrects them, and takes back what it does not concern any more.

A mark that the office has set stands. What an open run is about to record is corrected once that run has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from adsum.absences import records as absence_records
from adsum.absences import repository as absences
from adsum.absences.repository import AbsenceRow
from adsum.accounts.access import PERMISSIONS, Caller, Role
from adsum.attendance.history import Change, apply_changes
from adsum.attendance.repository import RecordRow
from adsum.platform.database.engine import Connection, Database
from adsum.schools.calendar.rules import SessionTime

# Runs and absences that one transaction puts right.
DUE_AT_ONCE = 200


class DueAbsences:
    """Applies absences that had to wait for open runs. `now` is the clock."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def apply(self) -> int:
        """Corrects what runs have recorded that have ended since. One cheap query where nothing waits.

        Returns:
            How many records say something else since.
        """
        async with self._database.snapshot() as connection:
            if not await absences.find_due_absences(connection, 1):
                return 0
        async with self._database.transaction() as connection:
            due = await absences.find_due_absences(connection, DUE_AT_ONCE)
            corrected = 0
            for absence_id in sorted({absence_id for _, absence_id in due}):
                (row,) = await absences.find_absences(connection, _EVERYWHERE, [absence_id], to_change=True)
                (newest,) = await absences.list_versions(connection, absence_id, None, 1)
                author = Caller(Role(newest.changed_role), frozenset(), newest.user_id, newest.key_id)
                corrected += await apply_absences(connection, [row], author, self._now())
            await absences.remove_due_absences(connection, due)
        return corrected


# Sees every school: it puts right what others were allowed to enter.
_EVERYWHERE = Caller(Role.ADMIN, PERMISSIONS[Role.ADMIN])


async def apply_absences(connection: Connection, rows: Sequence[AbsenceRow], author: Caller, now: datetime) -> int:
    """Makes records say what these absences, one a student, say of them now.

    Args:
        connection: of an open transaction that has locked the absences.
        rows: the absences, as they stand.
        author: who tells of them; they stand in the history.
        now: the moment of it.

    Returns:
        How many records say something else since.
    """
    days = [(row.absence.first_day, row.absence.last_day) for row in rows]
    of_student = {row.student_id: row for row in rows}
    first_day, last_day = min(first for first, _ in days), max(last for _, last in days)
    found = await absence_records.records_of_students(connection, of_student, first_day, last_day)
    for row in rows:
        if row.version > 1:
            found += await absence_records.records_of_absence(connection, row.id, row.student_id)
    records = {record.id: record for record in found}
    times = await absence_records.times_of_sessions(connection, {record.session_id for record in found})
    wrong = {i: record for i, record in records.items() if not _agrees(record, of_student[record.student_id], times)}
    before = await absence_records.marks_before(connection, list(wrong.values()))
    changes = {
        i: _change(record, of_student[record.student_id], before.get(i), times, author, now)
        for i, record in wrong.items()
    }
    await apply_changes(connection, changes)
    return len(changes)


def _concerns(record: RecordRow, row: AbsenceRow, times: Mapping[int, Sequence[SessionTime]]) -> bool:
    met = times.get(record.session_id, ())
    return row.revoked_at is None and row.absence.concerns(record.session_id, record.learning_date, met)


def _agrees(record: RecordRow, row: AbsenceRow, times: Mapping[int, Sequence[SessionTime]]) -> bool:
    """Whether the record stays as it is."""
    if record.absence_id == row.id:
        return _concerns(record, row, times) and record.status == row.absence.status
    # What the office has set, another absence among it, stands; what was cleared waits for a register.
    is_free = not record.is_offices and record.status is not None
    return not (is_free and _concerns(record, row, times) and record.status != row.absence.status)


def _change(
    record: RecordRow,
    row: AbsenceRow,
    before: tuple[str | None, str | None, str | None, str | None] | None,
    times: Mapping[int, Sequence[SessionTime]],
    author: Caller,
    now: datetime,
) -> Change:
    """To what the absence says, or back to what was said before it; a register that was taken with it said nothing."""
    is_concerned = _concerns(record, row, times)
    said = (row.absence.status, record.note, None, None) if is_concerned else before or (None, None, None, None)
    status, note, arrived_at, left_at = said
    return Change(
        version=record.version + 1,
        old_status=record.status,
        old_note=record.note,
        new_status=status,
        new_note=note,
        changed_at=now,
        changed_role=author.role.value,
        user_id=author.user_id,
        key_id=author.key_id,
        reason=None,
        run_id=None,
        old_arrived_at=record.arrived_at,
        old_left_at=record.left_at,
        new_arrived_at=arrived_at,
        new_left_at=left_at,
        absence_id=row.id if is_concerned else None,
    )
