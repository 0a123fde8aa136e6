"""Undo: a submission that was a mistake is taken back as a whole, and what it overwrote stands again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.attendance.rules import RecordedMark
from adsum.batches.listing import no_batch
from adsum.batches.repository import tallies, undoing
from adsum.batches.repository.undoing import UndoRequest
from adsum.batches.retry_cancel import BatchIsOpen
from adsum.batches.rules import BatchState
from adsum.platform.database.engine import Database
from adsum.platform.errors import Invalid
from adsum.platform.ids import parse_batch_id
from adsum.platform.texts import validate_reason
from adsum.roster.session_fence import advance_fences


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of an undo.

    Attributes:
        batch_id: of the batch.
        run_id: of its newest run, which was undone.
        undone: how many records this call has set back; 0 where it was undone before.
        kept: by student, what stays as it is, since somebody changed it after the run.
    """

    batch_id: str
    run_id: str
    undone: int
    kept: Mapping[int, RecordedMark]

    def to_json(self) -> dict[str, Any]:
        """Every field that users are shown, under its name in the HTTP API."""
        kept = [
            {"studentId": student_id, "status": each.status, "note": each.note, "version": each.version}
            for student_id, each in self.kept.items()
        ]
        return {"batchId": self.batch_id, "runId": self.run_id, "undone": self.undone, "kept": kept}


class Undo:
    """Undoes the newest run of a batch. `now` is the clock."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    async def undo(self, batch_id: str, caller: Caller, reason: str | None = None) -> Undone:
        """Sets every record back to before the newest run, itself kept in the history; twice is once.

        A retry is undone with the run that it retried. What the run recorded anew is cleared, so that the class can be
        marked again. What was changed after the run stays, and is told.

        Raises:
            Forbidden: without `attendance:create`.
            NotFound: there is no such batch, or the caller does not see it.
            BatchIsOpen: it is being processed: cancel it first.
            Invalid: the reason cannot be kept.
        """
        require_permission(caller, Permission.ATTENDANCE_CREATE)
        violations = list(validate_reason(reason))
        if violations:
            raise Invalid(violations[0].detail, violations)
        batch = parse_batch_id(batch_id)
        if batch is None:
            raise no_batch(batch_id)
        async with self._database.transaction() as connection:
            # As a submission: what it looks at is not to be marked anew meanwhile.
            await advance_fences(connection, [batch.session_id])
            status = await tallies.batch_status(connection, caller, batch)
            if status is None:
                raise no_batch(batch_id)
            if status.state is BatchState.PROCESSING:
                raise BatchIsOpen(f"batch {batch_id} is being processed: cancel it first", batchId=batch_id)
            undo = UndoRequest(batch, status.run_id, caller, self._now(), reason)
            kept = await undoing.changed_since(connection, undo)
            return Undone(batch_id, status.run_id, await undoing.undo_run(connection, undo), kept)
