"""Correcting one record: the version that the caller saw is changed, or nothing is; what it said is kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from adsum.domain.access import Caller, Permission
from adsum.domain.corrections import Correction, flaws_of_correction
from adsum.domain.cursors import Page, PageRequest
from adsum.errors import Invalid, NotFound, StaleVersion
from adsum.services.paging import begin_of, by_number, page_of
from adsum.services.permissions import demand
from adsum.storage.changes import Change, apply_change, list_changes
from adsum.storage.database import Connection, Database
from adsum.storage.records import RecordRow, find_record
from adsum.storage.statuses import find_statuses

# Of a record that was changed meanwhile: more than these newest changes nobody reads.
TOLD_AT_MOST = 20


class Corrections:
    """Single records, and their history. `now` is the clock."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def record(self, record_id: int, caller: Caller) -> RecordRow:
        """One record.

        Raises:
            Forbidden: without `attendance:read`.
            NotFound: there is none, or the caller does not see it.
        """
        demand(caller, Permission.ATTENDANCE_READ)
        async with self._database.snapshot() as connection:
            return await _seen(connection, record_id, caller)

    async def history(self, record_id: int, caller: Caller, page: PageRequest) -> Page[Change]:
        """The versions of a record, the newest first, down to the mark that it began with.

        Raises:
            Forbidden: without `attendance:read`.
            NotFound: there is no such record, or the caller does not see it.
            Invalid: the cursor is of another record, or none.
        """
        demand(caller, Permission.ATTENDANCE_READ)
        before = begin_of(page, record_id, by_number)
        async with self._database.snapshot() as connection:
            await _seen(connection, record_id, caller)
            changes = await list_changes(connection, record_id, before, page.limit + 1)
        return page_of(changes, page, record_id, lambda change: (change.version,))

    async def correct(
        self, record_id: int, versions: Collection[int] | None, correction: Correction, caller: Caller
    ) -> RecordRow:
        """Changes a record, if it is of one of the `versions` that the caller saw; None: whatever it says.

        Nothing is written where nothing changes. Who sends the same again, since the reply was lost, is answered as if
        for the first time.

        Returns:
            The record as it stands now.

        Raises:
            Forbidden: without `attendance:create`.
            NotFound: there is no such record, or the caller does not see it.
            StaleVersion: it was changed meanwhile; `current` and `changes` say how.
            Invalid: with one flaw for every wrong thing.
        """
        demand(caller, Permission.ATTENDANCE_CREATE)
        async with self._database.transaction() as connection:
            record = await _seen(connection, record_id, caller, to_change=True)
            if versions is not None and record.version not in versions:
                since = [
                    change
                    for change in await _newest(connection, record_id)
                    if change.version > max(versions, default=0)
                ]
                if _is_done_already(record, correction, since, caller):
                    return record
                raise _stale(record, since)
            return await self._correct(connection, record, correction, caller)

    async def _correct(
        self, connection: Connection, record: RecordRow, correction: Correction, caller: Caller
    ) -> RecordRow:
        statuses = (await find_statuses(connection, [record.school_id]))[record.school_id]
        flaws = flaws_of_correction(correction, record.standing, statuses)
        if flaws:
            raise Invalid("; ".join(flaw.detail for flaw in flaws), flaws)
        corrected = correction.applied_to(record.standing)
        if (corrected.status, corrected.note) == (record.status, record.note):
            return record
        change = Change(
            version=corrected.version,
            old_status=record.status,
            old_note=record.note,
            new_status=corrected.status,
            new_note=corrected.note,
            changed_at=self._now(),
            changed_role=caller.role.value,
            user_id=caller.user_id,
            key_id=caller.key_id,
            reason=correction.reason,
            run_id=None,
        )
        await apply_change(connection, record.id, change)
        return await _seen(connection, record.id, caller)


async def _seen(connection: Connection, record_id: int, caller: Caller, *, to_change: bool = False) -> RecordRow:
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
    is_same = (wanted.status, wanted.note, correction.reason) == (record.status, record.note, only.reason)
    return is_own and is_same and only.run_id is None


def _stale(record: RecordRow, since: Sequence[Change]) -> StaleVersion:
    detail = f"attendance {record.id} was changed meanwhile: it is version {record.version} now"
    current = {"version": record.version, "status": record.status, "note": record.note}
    return StaleVersion(detail, current=current, changes=[change_as_json(change) for change in since])


def change_as_json(change: Change) -> dict[str, Any]:
    """A change under the names of the HTTP API."""
    return {
        "version": change.version,
        "old": {"status": change.old_status, "note": change.old_note} if change.version > 1 else None,
        "new": {"status": change.new_status, "note": change.new_note},
        "changedAt": change.changed_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "changedByRole": change.changed_role,
        "changedByUserId": change.user_id,
        "changedByKeyId": change.key_id,
        "reason": change.reason,
        "runId": change.run_id,
        "undoesRunId": change.undoes_run_id,
    }
