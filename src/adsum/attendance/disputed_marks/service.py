"""Lists open disputes between the office's marks and teachers' marks, and settles them."""

from __future__ import annotations

from datetime import date

from adsum.accounts.access import Caller, Permission, require_permission
from adsum.accounts.named_schools import require_named_school
from adsum.attendance.correction_rules import Correction, Keep, change_of
from adsum.attendance.disputed_marks.repository import (
    DisputePosition,
    find_dispute,
    list_disputes,
    resolve_dispute,
)
from adsum.attendance.disputed_marks.rules import DisputeFilters, Holds
from adsum.attendance.repository import apply_changes, describe, find_record
from adsum.attendance.rules import DescribedRecord, OpenDispute
from adsum.platform.clock import Clock
from adsum.platform.database.answers import KeyedRequest, claim_key, store_result
from adsum.platform.database.engine import Database
from adsum.platform.errors import NotFound, StaleVersion, refuse
from adsum.platform.paging import Key, PageRequest, RowPage, begin_of, page_of
from adsum.platform.texts import validate_reason


class DisputedMarks:
    """Teachers may list the disputes of their classes. Only the office settles a dispute."""

    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    async def page(self, caller: Caller, filters: DisputeFilters, page: PageRequest) -> RowPage[OpenDispute]:
        """A page of the visible open disputes, the newest day first.

        Raises:
            Forbidden: without `attendance:read`.
            NotFound: the caller does not see the school of the filter.
            Invalid: a cursor of another query.
        """
        require_permission(caller, Permission.ATTENDANCE_READ)
        query = ("disputed marks", filters)
        after = begin_of(page, query, _position)
        async with self._database.snapshot() as connection:
            await require_named_school(connection, caller, filters.school_id)
            rows = await list_disputes(connection, caller, filters, after, page.limit + 1)
        return page_of(rows, page, query, lambda row: (row.learning_date.toordinal(), row.id))

    async def settle(
        self,
        dispute_id: int,
        holds: Holds,
        reason: str | None,
        caller: Caller,
        version: int | None = None,
        keyed: KeyedRequest[DescribedRecord] | None = None,
    ) -> DescribedRecord:
        """Settles a dispute. If the teacher's mark holds, it becomes the record's, with an entry in the history.

        Args:
            dispute_id: of an open dispute.
            holds: which mark holds.
            reason: for the history.
            caller: of the office.
            version: of the record that the caller read; None: any version.
            keyed: a request with an idempotency key.

        Returns:
            The record after the decision.

        Raises:
            Forbidden: without `attendance:overrule`.
            NotFound: there is no such open dispute, or the caller may not see it.
            StaleVersion: the record has another version.
            Invalid: the reason is too long or cannot be stored.
        """
        require_permission(caller, Permission.ATTENDANCE_OVERRULE)
        refuse(list(validate_reason(reason)))
        async with self._database.transaction() as connection:
            await claim_key(connection, keyed)
            dispute = await find_dispute(connection, caller, dispute_id)
            if dispute is None:
                raise NotFound(f"there is no contradiction {dispute_id}", id=dispute_id)
            record = await find_record(connection, caller, dispute.attendance_id, lock=True)
            assert record is not None, "the caller may see the dispute, and so the record"
            if version not in (None, record.version):
                raise StaleVersion(f"attendance {record.id} was changed meanwhile: its version is {record.version} now")
            now = self._now()
            await resolve_dispute(connection, record.id, now)
            if holds is Holds.SAID:
                note = Keep.AS_IS if dispute.disputed_note is None else dispute.disputed_note
                correction = Correction(status=dispute.disputed, note=note, reason=reason)
                await apply_changes(connection, {record.id: change_of(record, correction, caller, now)})
            settled = await find_record(connection, caller, record.id)
            assert settled is not None, "the transaction has locked the record"
            (described,) = await describe(connection, [settled], caller)
            await store_result(connection, keyed, described)
        return described


def _position(key: Key) -> DisputePosition:
    ordinal, dispute_id = key
    return date.fromordinal(ordinal), dispute_id
