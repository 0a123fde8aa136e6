"""The history of records: every change of one, and the mark that it began with. Changes are only ever added."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Integer, String, Text, bindparam, case, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from adsum.attendance.tables import attendance_changes, attendances
from adsum.platform.database.columns import Instant, RunId
from adsum.platform.database.sql_files import sql_file
from adsum.schools.stale_days import mark_stale_records

_LIST_CHANGES = sql_file(
    __package__,
    "list_changes",
    returns={
        "version": Integer(),
        "old_status": String(),
        "old_note": String(),
        "new_status": String(),
        "new_note": String(),
        "changed_at": Instant(),
        "changed_role": String(),
        "user_id": Integer(),
        "key_id": Integer(),
        "reason": String(),
        "run_id": RunId,
        "undoes_run_id": RunId,
        "old_arrived_at": String(),
        "old_left_at": String(),
        "new_arrived_at": String(),
        "new_left_at": String(),
        "old_office_note": String(),
        "new_office_note": String(),
        "absence_id": Integer(),
    },
)

_APPLY = (
    update(attendances)
    .where(attendances.c.id == bindparam("of_record"), attendances.c.version == bindparam("seen"))
    .values(
        office_note=case(
            (bindparam("sets_office_note", type_=Boolean), bindparam("new_office_note", type_=Text)),
            else_=attendances.c.office_note,
        )
    )
)


@dataclass(frozen=True, slots=True)
class Change:
    """One version of a record, and what it was before.

    Attributes:
        version: of the record after the change; 1 is the mark that the record began with.
        old_status, old_note: before it; a mark that was cleared, or was not there, has none.
        new_status, new_note: after it.
        changed_at: of a change by a run, when the run was accepted.
        changed_role: in which who changed it acted.
        user_id, key_id: who; both None: the command line or the library.
        reason: why, as who changed it put it.
        run_id: of the run that changed it, or None.
        undoes_run_id: of the run that the change takes back, or None.
        old_arrived_at, old_left_at, new_arrived_at, new_left_at: local 'HH:MM', or None.
        old_office_note, new_office_note: both None where the office's note was left alone.
        absence_id: of the absence known beforehand that the new mark comes from, or None.
    """

    version: int
    old_status: str | None
    old_note: str | None
    new_status: str | None
    new_note: str | None
    changed_at: datetime
    changed_role: str
    user_id: int | None
    key_id: int | None
    reason: str | None
    run_id: str | None
    undoes_run_id: str | None = None
    old_arrived_at: str | None = None
    old_left_at: str | None = None
    new_arrived_at: str | None = None
    new_left_at: str | None = None
    old_office_note: str | None = None
    new_office_note: str | None = None
    absence_id: int | None = None

    @property
    def changes_office_note(self) -> bool:
        return self.old_office_note != self.new_office_note

    @property
    def changes_anything(self) -> bool:
        old = self.old_status, self.old_note, self.old_arrived_at, self.old_left_at, self.old_office_note
        new = self.new_status, self.new_note, self.new_arrived_at, self.new_left_at, self.new_office_note
        return old != new


async def apply_changes(connection: AsyncConnection, changes: Mapping[int, Change]) -> None:
    """Changes records, by id, that are one version behind their change, and keeps what they said.

    The records have to be locked; were they not, the key of the changes would refuse the second of two.
    """
    if not changes:
        return
    kept = [{"attendance_id": record_id, **asdict(change)} for record_id, change in changes.items()]
    await connection.execute(insert(attendance_changes), kept)
    await connection.execute(_APPLY, [_applied(record_id, change) for record_id, change in changes.items()])
    await mark_stale_records(connection, changes.keys())


def _applied(record_id: int, change: Change) -> dict[str, Any]:
    return {
        "of_record": record_id,
        "seen": change.version - 1,
        "status": change.new_status,
        "note": change.new_note,
        "arrived_at": change.new_arrived_at,
        "left_at": change.new_left_at,
        "absence_id": change.absence_id,
        "version": change.version,
        "marked_at": change.changed_at,
        "marked_role": change.changed_role,
        "user_id": change.user_id,
        "key_id": change.key_id,
        "sets_office_note": change.changes_office_note,
        "new_office_note": change.new_office_note,
    }


async def list_changes(connection: AsyncConnection, record_id: int, before: int | None, limit: int) -> list[Change]:
    """At most `limit` versions of a record, the newest first, from before the version `before`."""
    values = {"record_id": record_id, "before": before, "limit": limit}
    return [Change(*row) for row in await _LIST_CHANGES.fetch_all(connection, values)]
