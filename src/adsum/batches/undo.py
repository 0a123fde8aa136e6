"""Undo: sets the records of a batch back to their state before its newest run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.attendance.rules import RecordedMark
from adsum.batches.listing import parse_or_refuse, require_status
from adsum.batches.repository import undoing
from adsum.batches.repository.undoing import UndoRequest
from adsum.batches.retry_cancel import BatchIsOpen
from adsum.batches.rules import BatchState
from adsum.platform.clock import Clock
from adsum.platform.database.answers import KeyedRequest, claim_key, store_result
from adsum.platform.database.engine import Database
from adsum.platform.errors import refuse
from adsum.platform.texts import validate_reason
from adsum.roster.session_fence import advance_fences


@dataclass(frozen=True, slots=True)
class UndoResult:
    """The result of an undo.

    Attributes:
        batch_id: of the batch.
        run_id: of its newest run, which was undone.
        undone: the number of records that this call has set back; 0 if the run was undone before.
        kept: by student, the records that stay because they were changed after the run.
    """

    batch_id: str
    run_id: str
    undone: int
    kept: Mapping[int, RecordedMark]


class Undo:
    """Undoes the newest run of a batch."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def undo(
        self,
        batch_id: str,
        caller: Caller,
        reason: str | None = None,
        keyed: KeyedRequest[UndoResult] | None = None,
        *,
        run_id: str | None = None,
        undone_run_ids: Sequence[str] = (),
    ) -> UndoResult:
        """Sets every record back to before the newest run, and writes a change entry for each. It is idempotent.

        A retry is undone together with the run that it retried. Records that the run created are cleared, so that the
        class can be marked again. Records that were changed after the run stay, and are returned.

        Args:
            batch_id: of the batch.
            caller: the author of the changes.
            reason: for the history of the records.
            keyed: the request, if it has an idempotency key.
            run_id: undoes this run of the batch instead of the newest one.
            undone_run_ids: runs that were undone while newer ones had changed their marks: nothing is set back to them.

        Raises:
            Forbidden: without `attendance:create`.
            NotFound: there is no such batch, or the caller does not see it.
            BatchIsOpen: it is being processed: cancel it first.
            Invalid: the reason cannot be stored.
        """
        require_permission(caller, Permission.ATTENDANCE_CREATE)
        refuse(list(validate_reason(reason)))
        batch = parse_or_refuse(batch_id)
        async with self._database.transaction() as connection:
            await claim_key(connection, keyed)
            # The fence keeps submissions from reading these records while they change.
            await advance_fences(connection, [batch.session_id])
            status = await require_status(connection, caller, batch)
            if status.state is BatchState.PROCESSING:
                raise BatchIsOpen(f"batch {batch_id} is being processed: cancel it first", batchId=batch_id)
            request = UndoRequest(batch, run_id or status.run_id, caller, self._now(), reason, undone_run_ids)
            undone, kept = await undoing.undo_run(connection, request)
            result = UndoResult(batch_id, request.run_id, undone, kept)
            await store_result(connection, keyed, result)
        return result
