"""Correcting one record: the version that the caller saw is changed, or nothing is; what it said is kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.attendance.disputed_marks import repository as contradictions
from adsum.attendance.disputed_marks.repository import ContradictionRow, Said
from adsum.attendance.history import Change, apply_changes, list_changes
from adsum.attendance.repository import RecordRow, find_record
from adsum.attendance.rules import Correction, Keep, Mark, validate_correction
from adsum.attendance.service import seen_by
from adsum.attendance.statuses.repository import find_statuses
from adsum.attendance.statuses.rules import PRESENT
from adsum.platform.database.engine import Connection, Database
from adsum.platform.errors import Forbidden, Invalid, NotFound, StaleVersion, Violation
from adsum.platform.ids import Batch
from adsum.platform.paging import Page, PageRequest, begin_of, by_number, page_of
from adsum.schools.repository import edit_window_of

# Of a record that was changed meanwhile: more than these newest changes nobody reads.
TOLD_AT_MOST = 20


@dataclass(frozen=True, slots=True)
class SeenRecord:
    """A record as somebody sees it: the office's note is for the office. `beside`: what was said in class instead."""

    record: RecordRow
    beside: ContradictionRow | None


class Corrections:
    """Single records, and their history. `now` is the clock."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def record(self, record_id: int, caller: Caller) -> SeenRecord:
        """One record, and what stands beside it.

        Raises:
            Forbidden: without `attendance:read`.
            NotFound: there is none, or the caller does not see it.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        async with self._database.snapshot() as connection:
            record = await _found(connection, record_id, caller)
            return await _beside(connection, record, caller)

    async def history(self, record_id: int, caller: Caller, page: PageRequest) -> Page[Change]:
        """The versions of a record, the newest first, down to the mark that it began with.

        Raises:
            Forbidden: without `attendance:read`.
            NotFound: there is no such record, or the caller does not see it.
            Invalid: the cursor is of another record, or none.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        before = begin_of(page, record_id, by_number)
        async with self._database.snapshot() as connection:
            await _found(connection, record_id, caller)
            changes = await list_changes(connection, record_id, before, page.limit + 1)
        return page_of(
            [_seen_by(caller, change) for change in changes], page, record_id, lambda change: (change.version,)
        )

    async def correct(
        self, record_id: int, versions: Collection[int] | None, correction: Correction, caller: Caller
    ) -> SeenRecord:
        """Changes a record, if it is of one of the `versions` that the caller saw; None: whatever it says.

        Nothing is written where nothing changes. Who sends the same again, since the reply was lost, is answered as if
        for the first time. What a teacher says of a mark that the office has set is kept beside it.

        Returns:
            The record as it stands now.

        Raises:
            Forbidden: without `attendance:create`; or, for who does not overrule the office, the office's own note is
                to be changed, or a mark that the office has set is to be cleared.
            NotFound: there is no such record, or the caller does not see it.
            StaleVersion: it was changed meanwhile; `current` and `changes` say how.
            Invalid: with one violation for every wrong thing.
        """
        require_permission(caller, Permission.ATTENDANCE_CREATE)
        async with self._database.transaction() as connection:
            record = await _found(connection, record_id, caller, to_change=True)
            if versions is not None and record.version not in versions:
                since = [
                    change
                    for change in await _newest(connection, record_id)
                    if change.version > max(versions, default=0)
                ]
                if _is_done_already(record, correction, since, caller):
                    return await _beside(connection, record, caller)
                raise _stale(record, [_seen_by(caller, change) for change in since])
            _refuse_what_is_the_offices(record, correction, caller)
            await self._refuse_violations(connection, record, correction, caller)
            await self._correct(connection, record, correction, caller)
            return await _beside(connection, await _found(connection, record_id, caller), caller)

    async def _refuse_violations(
        self, connection: Connection, record: RecordRow, correction: Correction, caller: Caller
    ) -> None:
        window = await edit_window_of(connection, record.school_id, self._now())
        statuses = (await find_statuses(connection, [record.school_id]))[record.school_id]
        violations = [
            *validate_correction(correction, record.standing, statuses),
            *window.violations(record.learning_date, correction.reason, overrules=caller.overrules, pointer="/id"),
        ]
        if violations:
            raise Invalid("; ".join(violation.detail for violation in violations), violations)

    async def _correct(self, connection: Connection, record: RecordRow, correction: Correction, caller: Caller) -> None:
        change = change_of(record, correction, caller, self._now())
        if caller.overrules:
            # The office has looked at it, whatever it leaves or makes of it.
            await contradictions.resolve(connection, record.id, change.changed_at)
        if not change.changes_anything:
            return
        if record.is_offices and not caller.overrules:
            said = Mark(change.new_status or PRESENT, change.new_note)
            await contradictions.keep_said(connection, [_said(record, said, caller, change.changed_at)])
        else:
            await apply_changes(connection, {record.id: change})


def change_of(record: RecordRow, correction: Correction, caller: Caller, at: datetime) -> Change:
    """What a correction makes of a record."""
    corrected = correction.applied_to(record.standing)
    touches_office_note = correction.office_note is not Keep.AS_IS
    return Change(
        version=corrected.version,
        old_status=record.status,
        old_note=record.note,
        new_status=corrected.status,
        new_note=corrected.note,
        changed_at=at,
        changed_role=caller.role.value,
        user_id=caller.user_id,
        key_id=caller.key_id,
        reason=correction.reason,
        run_id=None,
        old_arrived_at=record.arrived_at,
        old_left_at=record.left_at,
        new_arrived_at=corrected.arrived_at,
        new_left_at=corrected.left_at,
        old_office_note=record.office_note if touches_office_note else None,
        new_office_note=correction.office_note if isinstance(correction.office_note, str) else None,
    )


def _refuse_what_is_the_offices(record: RecordRow, correction: Correction, caller: Caller) -> None:
    if caller.overrules:
        return
    if correction.office_note is not Keep.AS_IS:
        detail = "the office's note is written by the office"
        raise Forbidden(detail, [Violation("office_note_not_allowed", detail, "/officeNote")])
    if record.is_offices and correction.status is None:
        detail = "the office has set this mark: only the office may clear it"
        raise Forbidden(detail, [Violation("set_by_office", detail)])


def _said(record: RecordRow, mark: Mark, caller: Caller, at: datetime) -> Said:
    batch = Batch(record.class_id, record.session_id, record.learning_date)
    return Said(record.school_id, batch, record.student_id, mark, caller, at)


async def _beside(connection: Connection, record: RecordRow, caller: Caller) -> SeenRecord:
    beside = await contradictions.contradiction_of(connection, caller, record.id)
    return SeenRecord(seen_by(caller, record), beside)


def _seen_by(caller: Caller, change: Change) -> Change:
    return change if caller.overrules else replace(change, old_office_note=None, new_office_note=None)


async def _found(connection: Connection, record_id: int, caller: Caller, *, to_change: bool = False) -> RecordRow:
    record = await find_record(connection, caller, record_id, to_change=to_change)
    if record is None:
        raise NotFound(f"there is no attendance {record_id}", id=record_id)
    return record


async def _newest(connection: Connection, record_id: int) -> list[Change]:
    return await list_changes(connection, record_id, None, TOLD_AT_MOST)


def _is_done_already(record: RecordRow, correction: Correction, since: Sequence[Change], caller: Caller) -> bool:
    """Whether the one change that was made since is this very correction, and only its reply was lost."""
    if len(since) != 1:
        return False
    (only,) = since
    is_own = (only.user_id, only.key_id, only.changed_role) == (caller.user_id, caller.key_id, caller.role.value)
    wanted = correction.applied_to(record.standing)
    is_same = replace(wanted, version=record.version, is_offices=record.is_offices) == record.standing
    return is_own and is_same and correction.reason == only.reason and only.run_id is None


def _stale(record: RecordRow, since: Sequence[Change]) -> StaleVersion:
    detail = f"attendance {record.id} was changed meanwhile: it is version {record.version} now"
    current = {"version": record.version, "status": record.status, "note": record.note}
    return StaleVersion(detail, current=current, changes=[change_as_json(change) for change in since])


def change_as_json(change: Change) -> dict[str, Any]:
    """A change under the names of the HTTP API."""
    return {
        "version": change.version,
        "old": _said_before(change) if change.version > 1 else None,
        "new": {
            "status": change.new_status,
            "note": change.new_note,
            "arrivedAt": change.new_arrived_at,
            "leftAt": change.new_left_at,
            "officeNote": change.new_office_note,
        },
        "changedAt": change.changed_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "changedByRole": change.changed_role,
        "changedByUserId": change.user_id,
        "changedByKeyId": change.key_id,
        "reason": change.reason,
        "runId": change.run_id,
        "undoesRunId": change.undoes_run_id,
        "absenceId": change.absence_id,
    }


def _said_before(change: Change) -> dict[str, Any]:
    return {
        "status": change.old_status,
        "note": change.old_note,
        "arrivedAt": change.old_arrived_at,
        "leftAt": change.old_left_at,
        "officeNote": change.old_office_note,
    }
